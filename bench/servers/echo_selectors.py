"""Python's selectors: write first, wait for writability only when the kernel is full."""
import selectors

from common import listen_here

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
selector = selectors.DefaultSelector()


def accept(listener, _):
    try:
        while True:
            connection, _ = listener.accept()
            connection.setblocking(False)
            selector.register(connection, READ, readable)
    except BlockingIOError:
        pass


def close(connection):
    selector.unregister(connection)
    connection.close()


def readable(connection, _):
    try:
        data = connection.recv(65536)
    except BlockingIOError:
        return
    except OSError:
        data = b""
    if data:
        send(connection, data.upper(), reading=True)
    else:
        close(connection)


def send(connection, data, reading=False):
    try:
        sent = connection.send(data)
    except BlockingIOError:
        sent = 0
    except OSError:
        return close(connection)
    if sent < len(data):
        rest = data[sent:]
        selector.modify(connection, WRITE, lambda each, _: send(each, rest))
    elif not reading:
        selector.modify(connection, READ, readable)


selector.register(listen_here("Python selectors, echo"), READ, accept)
while True:
    for key, events in selector.select():
        key.data(key.fileobj, events)
