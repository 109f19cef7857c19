"""The chat's other two protocols on the same port: HTTP and WebSocket."""
import json
import re

from harness import TOGETHER, LineClient, Server, TestCase, main, options_of, receive_all
from websocket import BINARY, PING, PONG, TEXT, WebSocket, http

POSITION = options_of("epoll", "loops")


class Web(TestCase):
    options = ()

    def setUp(self):
        self.server = Server("chat", *POSITION, *self.options)
        self.addCleanup(self.server.kill)

    def tearDown(self):
        self.assertEqual(self.server.stop(), 0)

    def line_client(self):
        client = LineClient(self.server)
        self.addCleanup(client.close)
        return client

    def page(self, **headers):
        page = WebSocket(self.server, **headers)
        self.addCleanup(page.sock.close)
        return page

    def joined(self):
        page = self.page()
        self.assertEqual(page.status, 101)
        page.send(type="show", room=1)
        page.next_of("who")
        return page


class Http(Web):
    def get(self, path="/", method="GET", **headers):
        return http(self.server, method, path, **headers)

    def test_page(self):
        page = self.get()
        self.assertEqual(page.status, 200)
        self.assertEqual(page.headers["content-type"], "text/html; charset=utf-8")
        self.assertEqual(int(page.headers["content-length"]), len(page.body))
        self.assertIn(b"<!doctype html>", page.body.lower())
        policy = page.headers["content-security-policy"]
        self.assertIn("default-src 'none'", policy)
        self.assertNotIn("unsafe", policy)
        self.assertEqual(page.headers["x-content-type-options"], "nosniff")
        self.assertEqual(page.headers["connection"], "close")
        head = self.get(method="HEAD")
        self.assertEqual((head.status, head.body), (200, b""))
        for answer in (head, page):
            self.assertTrue(answer.headers.pop("date").endswith(" GMT"))
        self.assertEqual(head.headers, page.headers)
        same = self.get(If_None_Match=page.headers["etag"])
        self.assertEqual((same.status, same.body), (304, b""))
        self.assertEqual(self.get(If_None_Match='"other"').status, 200)

    def test_what_there_is_not(self):
        self.assertEqual(self.get("/nosuch").status, 404)
        self.assertEqual(self.get("/../../etc/passwd").status, 404)
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            answer = self.get(method=method)
            self.assertEqual((answer.status, answer.headers["allow"]), (405, "GET, HEAD"))
        for bad in (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                    b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"):
            with self.server.connect() as sock:
                sock.sendall(bad)
                self.assertRegex(receive_all(sock), rb"^HTTP/1\.1 (400|505) ")

    def test_health(self):
        answer = self.get("/healthz")
        self.assertEqual((answer.status, answer.body), (200, b"ok\n"))
        self.assertEqual(self.get("/healthz", Host="evil.example").status, 200)

    def test_names(self):
        for host in ("127.0.0.1", "localhost:1", "[::1]:80", "LOCALHOST"):
            self.assertEqual(self.get(Host=host).status, 200)
        for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example",
                     "2130706433"):
            answer = self.get(Host=host)
            self.assertEqual(answer.status, 403)
            self.assertIn(b"--host NAME", answer.body)

    def test_request_in_pieces(self):
        with self.server.connect() as sock:
            for byte in (f"GET /healthz HTTP/1.1\r\nHost: {self.server.address}\r\n"
                         "Connection: close\r\n\r\n").encode():
                sock.sendall(bytes([byte]))
            self.assertTrue(receive_all(sock).endswith(b"\r\n\r\nok\n"))

    def exchange(self, *requests):
        """The statuses of the answers, until the server ends the connection."""
        with self.server.connect() as sock:
            sock.sendall("".join(f"{line}\r\nHost: {self.server.address}\r\n{rest}"
                                 for line, rest in requests).encode())
            return re.findall(r"HTTP/1\.1 (\d+) ", receive_all(sock).decode())

    def test_a_connection_goes_on(self):
        health, end = "GET /healthz HTTP/1.1", ("GET / HTTP/1.1", "Connection: close\r\n\r\n")
        chunked = ("POST / HTTP/1.1", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        more = (health, "\r\n")
        for answers, *requests in (
                ("200 200 404 200", more, more, ("HEAD /x HTTP/1.1", "\r\n"), end, more),
                ("405 200", chunked, end, more),
                ("200 200", ("GET / HTTP/1.0", "Connection: keep-alive\r\n\r\n"), end, more),
                ("200", ("GET / HTTP/1.0", "\r\n"), more),
                ("200", ("GET / HTTP/1.1", "User-Agent: Mozilla/5.0\r\n\r\n"), more),
                ("200 501", more, (health, "Transfer-Encoding: gzip, chunked\r\n\r\n"), more),
                ("417", (health, "Expect: more\r\n\r\n"), more),
                ("413", ("POST / HTTP/1.1", "Content-Length: 16385\r\n\r\nx"), more)):
            with self.subTest(answers=answers):
                self.assertEqual(" ".join(self.exchange(*requests)), answers)

    def test_a_kept_connection_becomes_a_websocket(self):
        with self.server.connect() as sock:
            sock.sendall(f"GET /healthz HTTP/1.1\r\nHost: {self.server.address}\r\n\r\n".encode())
            answer = b""
            while not answer.endswith(b"ok\n"):
                answer += sock.recv(4096)
            page = WebSocket(self.server, sock=sock)
            self.assertEqual(page.status, 101)
            page.next_of("room")

    def test_the_end_does_not_wait_for_a_kept_connection(self):
        with self.server.connect() as sock:
            sock.sendall(f"GET /healthz HTTP/1.1\r\nHost: {self.server.address}\r\n\r\n".encode())
            self.assertTrue(sock.recv(4096).startswith(b"HTTP/1.1 200 "))
            self.server.stop()
            while sock.recv(4096):
                pass

    def test_post_reaches_no_client(self):
        a = self.line_client()
        for method in ("POST", "PUT", "FOO"):
            with self.server.connect() as sock:
                sock.sendall(f"{method} / HTTP/1.1\r\nHost: {self.server.address}\r\n"
                             "Content-Length: 12\r\n\r\n/nick x\nsaid by a page\n".encode())
                receive_all(sock)
        a.send(b"marker\n")
        self.assertEqual(a.read_line(), a.said(b"marker"))
        self.assertNotIn("said by a page", self.server.log())


class Named(Http):
    options = ("--host", "chat.example", "--host", "other.example")

    def test_names(self):
        self.assertEqual(self.get(Host="chat.example:443").status, 200)
        self.assertEqual(self.get(Host="Other.Example").status, 200)
        self.assertEqual(self.get(Host="evil.example").status, 403)
        self.assertEqual(self.page(Host="chat.example", Origin="https://chat.example").status, 101)


class Handshake(Web):
    def test_origins(self):
        address, port = self.server.address, self.server.port
        for status, origin, host in (
                (101, None, address), (101, f"http://{address}", address),
                (101, f"http://localhost:{port}", f"localhost:{port}"),
                (403, "http://evil.example", address), (403, "null", address),
                (403, f"http://127.0.0.1:{port % 60000 + 1}", address),
                (403, f"http://localhost:{port}", address),
                # DNS rebinding: the page's own name points here
                (403, f"http://evil.example:{port}", f"evil.example:{port}")):
            with self.subTest(origin=origin, host=host):
                self.assertEqual(self.page(Origin=origin, Host=host).status, status)

    def test_no_handshake(self):
        self.assertEqual(self.page(Upgrade=None).status, 426)
        self.assertEqual(self.page(Sec_WebSocket_Version="8").status, 426)
        self.assertEqual(self.page(Sec_WebSocket_Key=None).status, 400)
        self.assertEqual(self.page(Sec_WebSocket_Key="short").status, 400)
        self.assertEqual(http(self.server, "POST", "/ws").status, 405)


class Conversation(Web):
    def test_events(self):
        a = self.line_client()
        a.send(b"before\n")
        a.read_line()
        page = self.page()
        hello = page.event()
        self.assertEqual(hello, {"type": "hello", "id": hello["id"], "name": page.name,
                                 "limit": 8192})
        self.assertEqual(page.event(), {"type": "room", "room": 1, "name": "#lobby", "topic": "",
                                        "last": 1, "read": 0, "role": "member"})
        page.send(type="show", room=1)
        history = page.next_of("history")
        self.assertEqual([(m["seq"], m["name"], m["text"]) for m in history["entries"]],
                         [(1, a.name, "before")])
        self.assertTrue(history["start"])
        who = page.next_of("who")
        self.assertEqual(who["total"], 2)
        self.assertIn({"id": hello["id"], "name": page.name}, who["people"])
        page.send(type="say", text="Grüße <b>\\u00e9</b> 世界", key="some-key-of-mine")
        self.assertEqual(a.read_line(), a.said("Grüße <b>\\u00e9</b> 世界".encode(), page.name))
        self.assertEqual(page.next_of("stored"),
                         {"type": "stored", "key": "some-key-of-mine", "room": 1, "seq": 2})
        message = page.entry()
        self.assertEqual((message["seq"], message["id"], message["name"], message["text"]),
                         (2, hello["id"], page.name, "Grüße <b>\\u00e9</b> 世界"))
        page.send(type="nick", nick="päge")
        self.assertEqual(page.next_of("renamed")["name"], "päge")
        a.send(b"/nick bob\n")
        a.read_line()
        while (renamed := page.next_of("rename"))["id"] == hello["id"]:
            pass
        self.assertEqual(renamed["name"], "bob")
        page.send(type="nick", nick="bob")
        self.assertIn("is taken", page.next_of("error")["text"])
        page.send(type="nick", nick="")
        self.assertEqual(page.next_of("renamed")["name"], page.name)
        other = self.joined()
        self.assertEqual(page.next_of("join")["name"], other.name)
        other.sock.close()
        self.assertEqual(set(page.next_of("leave")), {"type", "room", "id"})

    def test_refusals(self):
        a = self.line_client()
        page = self.joined()
        for text in ("\x1b[2J", "two\nlines", "turn\u202e", "x" * 8193, "\x7f"):
            page.send(type="say", text=text)
            self.assertTrue(page.next_of("error")["text"])
        for frame in (b"", b"{", b"[]", b"1", b'{"type":"x"}', b'{"type":"say"}', b"null",
                      b'{"type":1,"text":2}', b"[" * 8000):
            page.send_frame(TEXT, frame)
            self.assertIn("not understood", page.next_of("error")["text"])
        page.send(type="say", text="ä" * 4096)
        self.assertEqual(a.read_line(), a.said("ä".encode() * 4096, page.name))

    def test_a_text_that_is_none(self):
        a, page = self.line_client(), self.joined()
        page.send_frame(TEXT, b'{"type":"say","text":7}')
        self.assertTrue(page.next_of("error")["text"])
        a.send(b"marker\n")
        self.assertEqual(a.read_line(), a.said(b"marker"))

    def test_control_frames(self):
        page = self.joined()
        page.send_frame(PING, b"are you there?")
        self.assertEqual(page.frame(), (PONG, b"are you there?"))
        page.send_frame(PONG, b"unasked")
        payload = json.dumps({"type": "say", "text": "in pieces"}).encode()
        page.send_frame(TEXT, payload[:5], final=False)
        page.send_frame(PING)
        page.send_frame(0, payload[5:])
        self.assertEqual(page.frame(), (PONG, b""))
        self.assertEqual(page.entry()["text"], "in pieces")

    def closes(self, wanted, opcode, payload):
        page = self.joined()
        page.send_frame(opcode, payload)
        self.assertEqual(page.closed(), wanted)

    def test_close(self):
        self.closes(1000, 8, (1000).to_bytes(2, "big") + b"bye")
        self.closes(1003, BINARY, b"\0\1")
        self.closes(1009, TEXT, b"x" * 200_000)
        self.closes(1007, TEXT, b'{"type":"say","text":"\xff"}')
        self.closes(1002, 3, b"")
        self.server.wait_log("left: ", 5)


class EveryPosition(TestCase):
    def test_stop(self):
        """A page and a line client talk; when the server stops, the page gets a close frame."""
        self.on_every_position(self.stops, TOGETHER)

    def stops(self, options):
        with Server("chat", *options) as server, LineClient(server) as a, \
                WebSocket(server) as page:
            page.next_of("room")
            page.send(type="say", text="hi")
            self.assertEqual(a.read_line(), a.said(b"hi", page.name))
            a.send(b"hello\n")
            self.assertEqual(a.read_line(), a.said(b"hello"))
            self.assertEqual([page.entry()["text"] for _ in range(2)], ["hi", "hello"])
            server.signal()
            self.assertEqual(page.closed(), 1001)
            self.assertEqual(a.read_line(), b"")
            self.assertEqual(server.wait(), 0)


if __name__ == "__main__":
    main()
