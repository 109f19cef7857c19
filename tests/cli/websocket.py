"""A WebSocket client, as small as the tests need (RFC 6455), and HTTP in one call."""
import base64
import hashlib
import json
import os
import socket
import struct
import time

from harness import DEADLINE

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Response:
    def __init__(self, data):
        head, _, self.body = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1]) if lines[0] else 0
        self.headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.headers[name.lower()] = value.strip()


def head_of(fields):
    return "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value is not None)


def ask(connect, request, answered=lambda data: False):
    """Connects, sends `request` and reads until the answer is `answered`, or ends: the connection
    and what was read. A client that its machine holds up between the two for 0.3 s is a silent line
    client to the chat, which then hangs up on a request: like a browser, it asks again."""
    while True:
        begin = time.monotonic()
        sock = connect()
        sock.sendall(request)
        late = time.monotonic() - begin > 0.2
        data = b""
        try:
            while not answered(data) and (chunk := sock.recv(65536)):
                data += chunk
        except ConnectionError:
            if not late:
                raise
        if data or not late:
            return sock, data
        sock.close()


def http(server, method, path, body=b"", **headers):
    """One request on a connection of its own; headers with _ for -."""
    fields = {"Host": server.address, "Connection": "close",
              **{k.replace("_", "-"): v for k, v in headers.items()}}
    request = f"{method} {path} HTTP/1.1\r\n{head_of(fields)}\r\n".encode() + body
    sock, data = ask(server.connect, request)
    sock.close()
    return Response(data)


class WebSocket:
    """`status` is the answer to the handshake; 101: it is open. `sock`: on this connection."""

    def __init__(self, server, sock=None, **headers):
        key = base64.b64encode(os.urandom(16)).decode()
        fields = {"Host": server.address, "Upgrade": "websocket", "Connection": "Upgrade",
                  "Sec-WebSocket-Key": key, "Sec-WebSocket-Version": "13",
                  **{k.replace("_", "-"): v for k, v in headers.items()}}
        address = (server.host, server.port)
        self.sock, data = ask(lambda: sock or socket.create_connection(address, DEADLINE),
                              f"GET /ws HTTP/1.1\r\n{head_of(fields)}\r\n".encode(),
                              lambda data: b"\r\n\r\n" in data)
        self.name = f"('127.0.0.1', {self.sock.getsockname()[1]})"
        self.entries = []
        head, _, self.buffer = data.partition(b"\r\n\r\n")
        response = Response(head + b"\r\n\r\n")
        self.status = response.status
        if self.status == 101:
            wanted = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
            assert response.headers["sec-websocket-accept"] == wanted

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def _take(self, count):
        while len(self.buffer) < count:
            chunk = self.sock.recv(65536)
            if not chunk:
                raise EOFError
            self.buffer += chunk
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def frame(self):
        """(opcode, payload) of the next frame; EOFError at the end of the connection."""
        first, second = self._take(2)
        assert first & 0x80 and not second & 0x80, "fragmented or masked"
        size = second & 0x7F
        if size == 126:
            size = struct.unpack(">H", self._take(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", self._take(8))[0]
        return first & 0x0F, self._take(size)

    def send_frame(self, opcode, payload=b"", final=True):
        size = len(payload)
        head = bytes([(0x80 if final else 0) | opcode])
        if size < 126:
            head += bytes([0x80 | size])
        elif size < 65536:
            head += b"\xfe" + struct.pack(">H", size)
        else:
            head += b"\xff" + struct.pack(">Q", size)
        mask = os.urandom(4)
        self.sock.sendall(head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload)))

    def send(self, **event):
        self.send_frame(TEXT, json.dumps(event).encode())

    def event(self):
        opcode, payload = self.frame()
        assert opcode == TEXT, (opcode, payload)
        return json.loads(payload)

    def next_of(self, kind):
        """The next event of that type."""
        while (event := self.event())["type"] != kind:
            pass
        return event

    def entry(self):
        """The next entry of a room's log, in the chat."""
        while not self.entries:
            self.entries = self.next_of("entries")["entries"]
        return self.entries.pop(0)

    def closed(self):
        """The code that the server closes with; the connection ends after it."""
        while True:
            opcode, payload = self.frame()
            if opcode == CLOSE:
                break
        try:
            after = self.frame()
        except (EOFError, ConnectionError):
            return struct.unpack(">H", payload[:2])[0]
        raise AssertionError(f"the connection goes on after its close: {after}")
