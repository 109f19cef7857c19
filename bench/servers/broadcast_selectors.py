"""Python's selectors, broadcast: whole lines of a chunk go to all clients in one send."""
import selectors

from common import listen_here

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
selector = selectors.DefaultSelector()
room = {}


class Client:
    def __init__(self, connection):
        self.connection = connection
        self.partial = b""
        self.pending = b""

    def ready(self, events):
        if events & WRITE:
            pending, self.pending = self.pending, b""
            self.send(pending)
            if not self.pending and self.connection in room:
                selector.modify(self.connection, READ, self.ready)
        if events & READ and self.connection in room:
            self.receive()

    def receive(self):
        try:
            data = self.connection.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        lines, newline, self.partial = (self.partial + data).rpartition(b"\n")
        if newline:
            lines += newline
            for client in list(room.values()):
                client.send(lines)
        if not data or len(self.partial) > 65536:
            self.leave()

    def send(self, data):
        if self.pending:
            self.pending += data
            return
        try:
            sent = self.connection.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            return self.leave()
        if sent < len(data):
            self.pending = data[sent:]
            selector.modify(self.connection, READ | WRITE, self.ready)

    def leave(self):
        if room.pop(self.connection, None):
            selector.unregister(self.connection)
            self.connection.close()


def accept(listener):
    try:
        while True:
            connection, _ = listener.accept()
            connection.setblocking(False)
            room[connection] = Client(connection)
            selector.register(connection, READ, room[connection].ready)
    except BlockingIOError:
        pass


socket = listen_here("Python selectors, broadcast")
selector.register(socket, READ, lambda _: accept(socket))
while True:
    for key, events in selector.select():
        key.data(events)
