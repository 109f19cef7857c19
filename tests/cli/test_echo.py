"""`polyio echo` answers in upper case, byte for byte, under every model and architecture."""
import os
import signal
import socket
import threading

from harness import (DEADLINE, Server, TestCase, main, options_of, positions, receive_all,
                     receive_exactly, run, wait_until)

WORDS = ["hello", "Grüße, 世界 ß ñ", "a" * 1000, "MiXeD 123 !?", "x"]


def client_of_seed_002(server, inputs):
    client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    client.settimeout(DEADLINE)
    client.connect((server.host, server.port))
    printed = []
    for line in inputs:
        msg = line.strip()
        if not msg:
            continue
        client.send(msg.encode("utf-8"))
        data = client.recv(1024)
        printed.append(data)
    client.close()
    return printed


def client_of_seed_004(server, inputs):
    c = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    c.settimeout(DEADLINE)
    c.connect((server.host, server.port))
    printed = []
    for msg in inputs:
        if not msg:
            continue
        c.send(msg.encode("utf-8"))
        data = c.recv(1024)
        printed.append(data)
    c.close()
    return printed


class EveryPosition(TestCase):
    def test_answers(self):
        self.on_every_position(self.answers)

    def answers(self, options):
        with Server("echo", *options) as server:
            self.assertEqual([server.model, server.architecture], [options[1], options[3]])
            self.tutorials(server)
            self.byte_at_a_time(server)
            self.half_close(server)
            self.megabyte(server)
            if server.architecture != "iterative":  # there the first one would hold up all others
                self.stalled(server)

    def tutorials(self, server):
        expected = [word.encode().upper() for word in WORDS]
        self.assertEqual(client_of_seed_002(server, ["", " ", *WORDS]), expected)
        self.assertEqual(client_of_seed_004(server, ["", *WORDS]), expected)
        every_byte = bytes(range(256))
        with server.connect() as client:
            client.sendall(every_byte)
            self.assertEqual(receive_exactly(client, 256), every_byte.upper())

    def byte_at_a_time(self, server):
        with server.connect() as client:
            for byte in b"byte by byte":
                client.sendall(bytes([byte]))
                self.assertEqual(client.recv(1024), bytes([byte]).upper())

    def half_close(self, server):
        with server.connect() as client:
            client.sendall(b"the end")
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(receive_all(client), b"THE END")

    def megabyte(self, server):
        data = os.urandom(1 << 20)
        with server.connect() as client:
            def send():
                client.sendall(data)
                client.shutdown(socket.SHUT_WR)
            sender = threading.Thread(target=send)
            sender.start()
            answer = receive_all(client)
            sender.join()
        self.assertTrue(answer == data.upper(), "1 MiB came back changed")

    def stalled(self, server):
        """One client that says nothing, and one that reads nothing, hold up none of 100 others."""
        silent, deaf = server.connect(), server.connect()
        clients = [server.connect() for _ in range(100)]
        try:
            deaf.setblocking(False)
            try:
                while deaf.send(bytes(65536)):
                    pass
            except BlockingIOError:
                pass
            for turn in range(3):
                for i, client in enumerate(clients):
                    client.sendall(f"client {i} {turn}".encode())
                for i, client in enumerate(clients):
                    self.assertEqual(client.recv(1024), f"CLIENT {i} {turn}".encode())
            silent.sendall(b"at last")
            self.assertEqual(silent.recv(1024), b"AT LAST")
        finally:
            for client in [silent, deaf, *clients]:
                client.close()

    def test_stop(self):
        """Both signals end it with exit code 0; what had arrived is answered before."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self.on_every_position(lambda options, number=number: self.stops(options, number))

    def stops(self, options, number):
        with Server("echo", *options) as server, server.connect() as busy, \
                server.connect() as idle:
            clients = [busy] if server.architecture == "iterative" else [busy, idle]
            for client in clients:
                client.sendall(b"x")
                self.assertEqual(client.recv(1), b"X")
            busy.sendall(b"in flight " * 2000)
            server.signal(number)
            self.assertEqual(receive_all(busy), b"IN FLIGHT " * 2000)
            if idle in clients:
                self.assertEqual(receive_all(idle), b"")
            self.assertEqual(server.wait(), 0)

    def test_second_signal_cuts(self):
        self.on_every_position(self.is_cut)

    def is_cut(self, options):
        with Server("echo", *options, "--drain-timeout", "10min") as server:
            with server.connect() as deaf:
                deaf.sendall(b"x")  # served: it is not only the kernel that has taken it
                self.assertEqual(deaf.recv(1), b"X")
                deaf.settimeout(0.2)
                with self.assertRaises(TimeoutError):
                    while True:
                        deaf.sendall(bytes(65536))
                server.signal()
                wait_until(lambda: not server.listens(), "the first signal's effect")
                server.signal()
                self.assertEqual(server.wait(), 0)
            self.assertIn("1 connections were cut", server.log())


class ReadyLine(TestCase):
    def test_ipv4(self):
        with Server("echo", "--model", "epoll", "--architecture", "loop") as server:
            self.assertRegex(server.ready, r"^listening on 127\.0\.0\.1:[1-9]\d* \(epoll, loop\)$")

    def test_ipv6(self):
        if not os.path.exists("/proc/net/if_inet6"):
            self.skipTest("no IPv6 here")
        with Server("echo", listen="[::1]:0") as server:
            self.assertRegex(server.ready, r"^listening on \[::1\]:[1-9]\d* \(\S+, \S+\)$")
            with server.connect() as client:
                client.sendall(b"six")
                self.assertEqual(client.recv(9), b"SIX")

    def test_a_models_first_architecture(self):
        works = positions()
        for model in dict(works):
            with Server("echo", "--model", model) as server:
                self.assertEqual(server.model, model)
                if (model, "loop") in works:
                    self.assertEqual(server.architecture, "loop")


class CommandLine(TestCase):
    def refused(self, code, *arguments):
        done = run(*arguments, text=True)
        self.assertEqual((done.returncode, done.stdout), (code, ""))
        return done.stderr

    def test_port_in_use(self):
        with Server("echo") as server:
            said = self.refused(1, "echo", "--listen", server.address)
        self.assertIn(f"can't listen on {server.address}: Address already in use", said)

    def test_bad_model(self):
        self.assertIn("there are auto, io_uring, epoll,", self.refused(1, "echo", "--model", "x"))

    def test_bad_architecture(self):
        said = self.refused(1, "echo", "--model", "epoll", "--architecture", "x")
        self.assertIn("there are loop, loops", said)
        said = self.refused(1, "echo", "--model", "blocking", "--architecture", "loop")
        self.assertIn("use thread-per-connection", said)

    def test_bad_address(self):
        for address in ("8080", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:65536", "::1:1", "nosuch:1"):
            said = self.refused(1, "echo", "--listen", address)
            self.assertIn("such as 127.0.0.1:8080 or [::1]:8080", said)

    def test_bad_options(self):
        self.assertIn("unit", self.refused(2, "echo", "--idle-timeout", "2"))
        self.assertIn("--nosuch", self.refused(2, "echo", "--nosuch"))
        self.assertIn("subcommand", self.refused(2))

    def test_help(self):
        for command in ((), ("chat",), ("echo",), ("connect",), ("models",)):
            done = run(*command, "--help", text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("Example", done.stdout)

    def test_version(self):
        self.assertRegex(run("--version", text=True).stdout, r"^polyio \d+\.\d+\.\d+\n$")


class Positions(TestCase):
    def test_workers(self):
        for workers in (1, 5):
            options = [*options_of("epoll", "loops")[:4], "--workers", str(workers)]
            with Server("echo", *options) as server:
                wait_until(lambda: sum(name.startswith("loop-") for name in server.threads()) ==
                           workers - 1, f"{workers} loops")


if __name__ == "__main__":
    main()
