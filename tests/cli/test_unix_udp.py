"""Unix sockets and datagrams: `polyio echo --udp`, `--listen unix:PATH`, `connect unix:PATH`."""
import os
import signal
import socket
import stat
import tempfile

from harness import (DEADLINE, Server, TestCase, main, models, options_of, positions,
                     receive_exactly, run, wait_until)


class UnixSockets(TestCase):
    def setUp(self):
        super().setUp()
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = os.path.join(self.folder.name, "echo.sock")

    def test_every_position(self):
        self.on_every_position(self.answers)
        self.assertEqual(os.listdir(self.folder.name), [], "left behind")

    def answers(self, options):
        own = "-".join(options[1::2])
        for name in (f"{self.path}-{own}", f"@polyio-test-{os.getpid()}-{own}"):
            with Server("echo", *options, listen=f"unix:{name}") as server:
                self.assertEqual(server.port, name)
                with server.connect() as client:
                    client.sendall(b"hello")
                    self.assertEqual(receive_exactly(client, 5), b"HELLO")

    def test_connect_command(self):
        with Server("echo", listen=f"unix:{self.path}"):
            done = run("connect", f"unix:{self.path}", input=b"hello\n")
            self.assertEqual((done.returncode, done.stdout), (0, b"HELLO\n"))
        done = run("connect", f"unix:{self.path}", text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"nothing listens on unix:{self.path}: start a server", done.stderr)

    def test_a_file_in_use_is_not_replaced_and_a_stale_one_is(self):
        first = Server("echo", listen=f"unix:{self.path}")
        try:
            done = run("echo", "--listen", f"unix:{self.path}", text=True)
            self.assertEqual(done.returncode, 1)
            self.assertIn("Address already in use", done.stderr)
            with first.connect() as client:
                client.sendall(b"still here")
                self.assertEqual(receive_exactly(client, 10), b"STILL HERE")
        finally:
            first.kill()  # it can't remove its file
        # The kernel sees an io_uring to its end a little after its process (a socket of it, too).
        wait_until(lambda: not first.listens(), "the end of the first")
        self.assertTrue(stat.S_ISSOCK(os.stat(self.path).st_mode))
        with Server("echo", listen=f"unix:{self.path}") as second:
            with second.connect() as client:
                client.sendall(b"second")
                self.assertEqual(receive_exactly(client, 6), b"SECOND")

    def test_chat(self):
        with Server("chat", listen=f"unix:{self.path}") as server:
            with server.connect() as client:
                client.sendall(b"hello\n")
                self.assertEqual(receive_exactly(client, 20), b"[('unix', 0)] hello\n")


class Datagrams(TestCase):
    def exchange(self, family, address, own):
        with socket.socket(family, socket.SOCK_DGRAM) as client:
            client.settimeout(DEADLINE)
            client.bind(own)
            for text in (b"hello", b"", b"a" * 1400, "Grüße".encode()):
                client.sendto(text, address)
                got, sender = client.recvfrom(65536)
                self.assertEqual(got, text.upper())
                self.assertEqual(sender[:2] if family != socket.AF_UNIX else sender,
                                 address[:2] if family != socket.AF_UNIX else address)

    def test_every_model(self):
        with tempfile.TemporaryDirectory() as folder:
            for entry in models():
                if not entry["available"]:
                    continue
                options = ["--udp", "--model", entry["model"]]
                with self.subTest(model=entry["model"]):
                    with Server("echo", *options) as server:
                        self.assertEqual([server.model, server.architecture],
                                         [entry["model"], "datagrams"])
                        self.exchange(socket.AF_INET, ("127.0.0.1", server.port), ("127.0.0.1", 0))
                    with Server("echo", *options, listen="[::1]:0") as server:
                        self.exchange(socket.AF_INET6, ("::1", server.port), ("::1", 0))
                    path, own = os.path.join(folder, "server"), os.path.join(folder, "client")
                    with Server("echo", *options, listen=f"unix:{path}") as server:
                        self.exchange(socket.AF_UNIX, path, own)
                    os.unlink(own)
                    self.assertEqual(os.listdir(folder), [])

    def test_stops(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            server = Server("echo", "--udp")
            os.kill(server.pid, number)
            self.assertEqual(server.process.wait(DEADLINE), 0)
            server.kill()

    def test_architecture(self):
        done = run("echo", "--udp", "--architecture", "loops", text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("one loop", done.stderr)


if __name__ == "__main__":
    main()
