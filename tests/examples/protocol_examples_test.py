"""Talks to the examples that speak a protocol or pass one on. EXAMPLES: where they were built."""
import os
import socket
import subprocess
import tempfile
import unittest

from running import EXAMPLES, Example, Server, ask, read, reset


class ProtocolExamples(unittest.TestCase):
    def test_key_value_in_pieces(self):
        said = b"set a 5\r\nhelloget a\r\nget b\nset b 0\nget b\nquit\nmore"
        answer = b"stored\r\nvalue 5\r\nhellonone\r\nstored\r\nvalue 0\r\n"
        for size in (1, 3, len(said)):
            with self.subTest(size=size), Example("key_value") as connection, connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for at in range(0, len(said), size):
                    connection.sendall(said[at:at + size])
                self.assertEqual(read(connection, 1000), answer)

    def test_key_value_bounds_what_it_reads(self):
        for said in (b"get " + b"x" * 300, b"set a 1048577\n", b"set a x\n", b"hello\n"):
            with self.subTest(said=said[:20]), Example("key_value") as connection, connection:
                connection.sendall(said)
                self.assertEqual(read(connection, 1000), b"")

    def test_pooled_front_asks_the_server_behind(self):
        with Server(os.path.join(EXAMPLES, "upper"), "127.0.0.1:0") as behind:
            target = "%s:%d" % behind.address
            for dials in (["epoll", "loop"], ["auto"], ["blocking", "thread-pool"]):
                command = [os.path.join(EXAMPLES, "pooled_front"), target, "127.0.0.1:0", *dials]
                with self.subTest(dials=dials), Server(*command) as front:
                    with front.connect() as connection:
                        for _ in range(2):
                            self.assertEqual(ask(connection, b"hello", 5), b"HELLO")

    def test_batches_writes_out_what_the_handlers_left(self):
        server = Server(os.path.join(EXAMPLES, "batches"), "127.0.0.1:0").__enter__()
        with server.process, server.connect() as connection:
            connection.sendall(b"one\ntwo\n")
            connection.shutdown(socket.SHUT_WR)
            self.assertEqual(read(connection, 1), b"")
            server.process.terminate()
            self.assertEqual(server.process.stdout.read(), b"one\ntwo\n")

    def test_two_doors(self):
        with tempfile.TemporaryDirectory() as folder:
            self.two_doors(os.path.join(folder, "admin"))

    def two_doors(self, admin):
        with Server(os.path.join(EXAMPLES, "two_doors"), "127.0.0.1:0",
                    "unix:" + admin) as server, server.connect() as connection:
            self.assertEqual(ask(connection, b"hello", 5), b"HELLO")
            with socket.socket(socket.AF_UNIX) as asking:
                asking.settimeout(20)
                asking.connect(admin)
                self.assertEqual(read(asking, 100), b"accepted 2, active 2\n")

    def test_upper_tls(self):
        with tempfile.TemporaryDirectory() as folder:
            cert, key = os.path.join(folder, "cert"), os.path.join(folder, "key")
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                            "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost",
                            "-addext", "subjectAltName=DNS:localhost", "-days", "2",
                            "-keyout", key, "-out", cert],
                           check=True, capture_output=True, timeout=20)
            program = os.path.join(EXAMPLES, "upper_tls")
            with Server(program, cert, key, "127.0.0.1:0") as server:
                target = "localhost:%d" % server.address[1]
                said = subprocess.run([program, "ask", cert, target], capture_output=True,
                                      text=True, timeout=20, check=True).stdout
        self.assertEqual(said, "TLSv1.3: HELLO\n")

    def test_websocket_echo(self):
        head = (b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        frames = (b"\x81\x82\0\0\0\0hi" + b"\x82\x82\0\0\0\0\xff\0" +
                  b"\x88\x82\0\0\0\0\x03\xe8")
        answer = b"\x81\x02hi" + b"\x82\x02\xff\0" + b"\x88\x02\x03\xe8"
        with Example("websocket_echo") as connection, connection:
            connection.sendall(head + frames)
            said = read(connection, 10_000)
            self.assertIn(b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", said)
            self.assertEqual(said.partition(b"\r\n\r\n")[2], answer)
        with Example("websocket_echo") as connection, connection:
            connection.sendall(head.replace(b"Host", b"Origin: http://evil.example\r\nHost"))
            self.assertTrue(read(connection, 10_000).startswith(b"HTTP/1.1 403 "))

    def test_forward_passes_on_bytes_ends_and_resets(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(20)
            target = f"127.0.0.1:{listener.getsockname()[1]}"
            with Server(os.path.join(EXAMPLES, "forward"), target, "127.0.0.1:0") as server:
                for broken in (False, True):
                    client = server.connect()
                    upstream = listener.accept()[0]
                    with self.subTest(broken=broken), client, upstream:
                        client.sendall(b"question")
                        client.shutdown(socket.SHUT_WR)
                        self.assertEqual(read(upstream, 1000), b"question")
                        upstream.sendall(b"answer")
                        self.assertEqual(read(client, 6), b"answer")
                        if not broken:
                            upstream.close()
                            self.assertEqual(read(client, 1000), b"")
                            continue
                        reset(upstream)
                        self.assertRaises(ConnectionResetError, client.recv, 1)

    def test_forward_makes_no_end_when_it_stops(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(20)
            target = f"127.0.0.1:{listener.getsockname()[1]}"
            server = Server(os.path.join(EXAMPLES, "forward"), target, "127.0.0.1:0").__enter__()
            with server.process, server.connect() as client, listener.accept()[0] as upstream:
                upstream.settimeout(20)
                client.sendall(b"half of")
                self.assertEqual(read(upstream, 7), b"half of")
                server.process.terminate()
                client.sendall(b" a file")
                self.assertEqual(read(upstream, 7), b" a file")
                server.process.terminate()  # a second time: cut
                server.process.wait(20)
                self.assertRaises(ConnectionResetError, upstream.recv, 1)
                self.assertRaises(ConnectionResetError, client.recv, 1)


if __name__ == "__main__":
    unittest.main()
