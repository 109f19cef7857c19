"""TLS: `polyio echo --cert --key`, `polyio connect --tls`, `openssl s_client`, Python."""
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import unittest

from harness import (DEADLINE, LineClient, Server, TestCase, main, options_of, positions,
                     receive_all, receive_exactly, run)
from websocket import WebSocket

OPENSSL = shutil.which("openssl")


def self_signed(folder, name, hosts, *more):
    """A certificate and its key: the paths of their files."""
    cert, key = (os.path.join(folder, name + end) for end in (".pem", ".key"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=" + name, "-addext",
                    "subjectAltName=" + hosts, "-days", "2", "-keyout", key, "-out", cert,
                    *more], check=True, capture_output=True, timeout=DEADLINE)
    os.chmod(key, 0o600)
    return cert, key


@unittest.skipUnless(OPENSSL, "there is no openssl")
class Tls(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.cert, cls.key = cls.make("localhost", "DNS:localhost,IP:127.0.0.1")

    @classmethod
    def make(cls, name, hosts, *more):
        return self_signed(cls.folder.name, name, hosts, *more)

    def server(self, *options):
        return Server("echo", "--cert", self.cert, "--key", self.key, *options)

    def python(self, server):
        context = ssl.create_default_context(cafile=self.cert)
        return context.wrap_socket(server.connect(), server_hostname="localhost")

    def test_every_position(self):
        self.on_every_position(self.answers)

    def answers(self, options):
        """All of what a client sends comes back, and then the end that TLS has. Piece by piece:
        two threads may not use one of Python's TLS sockets at once."""
        with self.server(*options) as server, self.python(server) as client:
            self.assertEqual(client.version(), "TLSv1.3")
            for size in (1, 16_384, 50_000) * 5:
                piece = os.urandom(size).upper()
                client.sendall(piece)
                self.assertEqual(receive_exactly(client, size), piece)
            client.unwrap().close()

    def s_client(self, server, *options, text=b"hello\n"):
        return subprocess.run(
            [OPENSSL, "s_client", "-connect", server.address, "-CAfile", self.cert,
             "-verify_return_error", "-servername", "localhost", *options],
            input=text, capture_output=True, timeout=DEADLINE, check=False)

    def test_the_chat_speaks_it_on_the_same_port(self):
        """Lines, HTTP and WebSocket over TLS beside a client in the clear."""
        options = options_of("epoll", "loops")
        with Server("chat", *options, "--cert", self.cert, "--key", self.key) as server, \
                LineClient(server) as plain, self.python(server) as line:
            line.sendall(b"over TLS\n")
            self.assertTrue(plain.read_line().endswith(b"] over TLS\n"))
            plain.send(b"in the clear\n")
            self.assertEqual(plain.read_line(), plain.said(b"in the clear"))
            heard = b""
            while not heard.endswith(b"in the clear\n"):
                heard += line.recv(4096)
            with self.python(server) as page:
                page.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
                             b"Connection: close\r\n\r\n")
                self.assertTrue(receive_all(page).endswith(b"ok\n"))
            with WebSocket(server, sock=self.python(server), Host="localhost",
                           Origin="https://localhost") as page:
                self.assertEqual(page.status, 101)
                page.next_of("room")
                page.send(type="say", text="from a page")
                self.assertTrue(plain.read_line().endswith(b"] from a page\n"))

    def test_the_chat_may_refuse_what_is_in_the_clear(self):
        with Server("chat", "--cert", self.cert, "--key", self.key, "--tls-only",
                    "--request-timeout", "1s") as server:
            with server.connect() as line:
                line.sendall(b"in the clear\n")
                self.assertEqual(receive_all(line), b"-- error: this server speaks TLS only\n")
            with server.connect() as silent:
                self.assertEqual(receive_all(silent), b"-- error: this server speaks TLS only\n")
            for target, host, answer in (
                    ("/a?b=c", "localhost:1", b"308 Permanent Redirect"),
                    ("/a", "evil.example", b"403 Forbidden"),
                    ("/api/search?q=a", "localhost:1", b"308 Permanent Redirect"),
                    ("/ws", "localhost:1", b"403 Forbidden")):
                with server.connect() as page:
                    page.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                    head = receive_all(page)
                    self.assertTrue(head.startswith(b"HTTP/1.1 " + answer), head)
                    moved = f"Location: https://{host}{target}\r\n".encode()
                    self.assertEqual(moved in head, answer.startswith(b"308"), head)
            with self.python(server) as line:
                line.sendall(b"over TLS\n")
                heard = b""
                while not heard.endswith(b"] over TLS\n"):
                    heard += line.recv(4096)

    def test_sighup_reads_the_certificate_again(self):
        cert, key = self.make("first", "DNS:localhost")
        with Server("chat", "--cert", cert, "--key", key) as server:
            def name():
                context = ssl._create_unverified_context()
                with context.wrap_socket(server.connect()) as client:
                    return client.getpeercert(binary_form=True)
            first = name()
            for old, new in zip((cert, key), self.make("second", "DNS:localhost")):
                shutil.move(new, old)
            server.signal(signal.SIGHUP)
            server.wait_log("SIGHUP: the certificate was read again")
            second = name()
            self.assertNotEqual(first, second)
            with open(cert, "w", encoding="ascii") as file:
                file.write("nothing\n")
            server.signal(signal.SIGHUP)
            server.wait_log("SIGHUP: .*no certificate")
            self.assertEqual(name(), second)

    def test_openssl_s_client(self):
        with self.server() as server:
            for version in ("-tls1_2", "-tls1_3"):
                process = subprocess.Popen(
                    [OPENSSL, "s_client", "-connect", server.address, "-CAfile", self.cert,
                     "-quiet", "-verify_return_error", version],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
                process.stdin.write(b"hello\n")
                process.stdin.flush()
                self.assertEqual(process.stdout.readline(), b"HELLO\n")
                process.kill()
                process.communicate()
            old = self.s_client(server, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")
            self.assertNotEqual(old.returncode, 0)

    def test_renegotiation_is_refused(self):
        with self.server() as server:
            done = self.s_client(server, "-tls1_2", text=b"R\n")
            self.assertIn(b"RENEGOTIATING", done.stdout + done.stderr)
            self.assertIn(b"no renegotiation", done.stderr)

    def test_plain_text_to_a_tls_port(self):
        with self.server() as server:
            with server.connect() as client:
                client.sendall(b"GET / HTTP/1.1\r\n\r\n")
                client.shutdown(socket.SHUT_WR)
                self.assertNotIn(b"GET", receive_all(client))
            with self.python(server) as client:  # it goes on
                client.sendall(b"a")
                self.assertEqual(client.recv(1), b"A")

    def test_connect_command(self):
        with self.server() as server:
            target = f"localhost:{server.port}"
            done = run("connect", "--tls", "--ca", self.cert, target, input=b"hello\n" * 50_000)
            self.assertEqual((done.returncode, done.stderr), (0, b""))
            self.assertEqual(done.stdout, b"HELLO\n" * 50_000)
            done = run("connect", "--tls", "--trust-any-certificate", target, input=b"hi")
            self.assertEqual((done.returncode, done.stdout), (0, b"HI"))
            done = run("connect", "--tls", target, text=True)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"no TLS with {target}: the certificate of localhost, 127.0.0.1 is signed"
                          " by itself, not by an authority: give its certificate with --ca FILE",
                          done.stderr)
        other, key = self.make("other", "DNS:other.example,IP:2001:db8::1")
        with Server("echo", "--cert", other, "--key", key) as server:
            done = run("connect", "--tls", "--ca", other, server.address, text=True)
            self.assertIn("the certificate of 127.0.0.1 is for other.example, 2001:db8:0:0:0:0:0:1",
                          done.stderr)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            def greet():
                with listener.accept()[0] as plain:
                    plain.sendall(b"220 hello\r\n")
                    receive_all(plain)
            thread = threading.Thread(target=greet)
            thread.start()
            done = run("connect", "--tls", f"127.0.0.1:{listener.getsockname()[1]}", text=True)
            thread.join()
        self.assertIn("does not speak TLS: leave --tls away", done.stderr)

    def test_mistakes_on_the_command_line(self):
        for options, words in (
                (("--cert", self.cert), "--key"),
                (("--cert", "none.pem", "--key", self.key), "can't read the certificate"),
                (("--cert", self.key, "--key", self.key), "there is no certificate in"),
                (("--cert", self.cert, "--key", self.cert), "there is no key")):
            done = run("echo", "--listen", "127.0.0.1:0", *options, text=True)
            self.assertIn(done.returncode, (1, 2))
            self.assertIn(words, done.stdout + done.stderr)
        os.chmod(self.key, 0o644)
        self.addCleanup(os.chmod, self.key, 0o600)
        with self.server() as server:
            self.assertIn(f"warning: others may read the key in '{self.key}'", server.log())
        done = run("connect", "--tls", "unix:/tmp/x", text=True)
        self.assertEqual(done.returncode, 2)

    def test_a_cut_connection_is_no_end(self):
        """The server goes without close_notify: `connect` says so."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            def cut():
                with listener.accept()[0] as plain:
                    tls = context.wrap_socket(plain, server_side=True)
                    tls.sendall(b"half")
                    tls.shutdown(socket.SHUT_WR)
                    tls.recv(1)
                    tls.close()
            thread = threading.Thread(target=cut)
            thread.start()
            port = listener.getsockname()[1]
            done = run("connect", "--tls", "--ca", self.cert, f"localhost:{port}", input=b"")
            thread.join()
        self.assertEqual((done.returncode, done.stdout), (1, b"half"))
        self.assertIn(b"the connection was cut off", done.stderr)


if __name__ == "__main__":
    main()
