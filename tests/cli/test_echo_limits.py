"""`polyio echo` at its limits: connections, time, descriptors."""
import ctypes
import os
import resource
import select
import socket
import time

from harness import DEADLINE, Server, TestCase, main, options_of, positions, run, wait_until

LITTLE = 32  # descriptors
FEW = 5  # connections that a server has at least with so little


def one_per_model():
    seen = {}
    for model, architecture in positions():
        if architecture in ("loops", "thread-per-connection"):
            seen.setdefault(model, options_of(model, architecture))
    return seen.values()


def few_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (LITTLE, LITTLE))


def answered(clients, seconds):
    """Those of `clients` that got their answer or their end, once no more do for `seconds`.

    The first few may take their time, on a busy machine."""
    waiting, got = set(clients), []
    while waiting:
        ready = select.select(list(waiting), [], [], seconds if len(got) > FEW else DEADLINE)[0]
        if not ready:
            break
        got += ready
        waiting -= set(ready)
    return got


def little_to_lock(size):
    """What an ordinary user has: root may lock more (CAP_IPC_LOCK), and so may the user of CI."""
    def begin():
        prctl = ctypes.CDLL(None).prctl  # both as from the exec on
        prctl(47, 4, 0, 0, 0)  # PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL
        if os.geteuid() == 0:
            prctl(24, 14, 0, 0, 0)  # PR_CAPBSET_DROP, CAP_IPC_LOCK
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (size, size))
    return begin


class LockableMemory(TestCase):
    """The rings of io_uring share what a user may lock."""

    def served(self, size, *options):
        with Server("echo", *options, "--workers", "12", preexec_fn=little_to_lock(size)) as server:
            for _ in range(24):
                with server.connect() as client:
                    client.sendall(b"x")
                    self.assertEqual(client.recv(9), b"X")
            return server.ready

    def test_many_loops_serve_with_smaller_rings_or_epoll(self):
        for architecture in ("loops", "prefork", "thread-pool"):
            for size in (8 << 20, 1 << 20, 64 << 10):
                with self.subTest(architecture=architecture, size=size):
                    self.served(size, "--architecture", architecture)

    def test_with_next_to_nothing_auto_is_epoll(self):
        self.assertIn("(epoll, ", self.served(8 << 10, "--architecture", "loops"))

    def test_a_model_that_was_named_is_an_error_before_the_ready_line(self):
        if "io_uring" not in (model for model, _ in positions()):
            self.skipTest("no io_uring here")
        done = run("echo", "--listen", "127.0.0.1:0", "--model", "io_uring",
                   "--architecture", "loops", "--workers", "40",
                   preexec_fn=little_to_lock(256 << 10))
        self.assertEqual((done.returncode, done.stdout), (1, b""))
        self.assertIn(b"io_uring", done.stderr)


class Limits(TestCase):
    def test_max_connections(self):
        self.on_all(self.two_at_most, one_per_model())

    def two_at_most(self, options):
        with Server("echo", *options, "--max-connections", "2") as server:
            first, second, third = (server.connect() for _ in range(3))
            for client in (first, second, third):
                client.sendall(b"x")
            self.assertEqual((first.recv(9), second.recv(9)), (b"X", b"X"))
            self.assertFalse(select.select([third], [], [], 0.2)[0], "a third one was served")
            second.close()
            self.assertEqual(third.recv(9), b"X")
            first.close()
            third.close()

    def test_idle_timeout(self):
        self.on_all(self.idle_ends, one_per_model())

    def idle_ends(self, options):
        with Server("echo", *options, "--idle-timeout", "300ms") as server:
            with server.connect() as client:
                start = time.monotonic()  # the server's time begins later, with its receive
                client.sendall(b"x")
                self.assertEqual(client.recv(9), b"X")
                self.assertEqual(client.recv(9), b"")
                self.assertGreater(time.monotonic() - start, 0.25)

    def test_spin(self):
        """It answers, and a loop that has nothing to do sleeps all the same."""
        for options in one_per_model():
            if "blocking" in options or "nonblocking" in options:
                refused = run("echo", "--listen", "127.0.0.1:0", *options, "--spin", "60us")
                self.assertEqual(refused.returncode, 1)
                self.assertIn(b"can't spin", refused.stderr)
                continue
            with self.subTest(options=options), \
                    Server("echo", *options, "--spin", "300us") as server, \
                    server.connect() as client:
                for _ in range(200):
                    client.sendall(b"x")
                    self.assertEqual(client.recv(9), b"X")
                before, start = server.cpu_seconds(), time.monotonic()
                time.sleep(0.3)  # what is measured
                spent = server.cpu_seconds() - before
                self.assertLess(spent / (time.monotonic() - start), 0.5, "it spins in vain")

    def test_watchdog(self):
        """A model without a loop refuses; a quick handler is not reported."""
        for options in one_per_model():
            with self.subTest(options=options):
                if "blocking" in options:
                    refused = run("echo", "--listen", "127.0.0.1:0", *options, "--watchdog", "50ms")
                    self.assertEqual(refused.returncode, 1)
                    self.assertIn(b"has none", refused.stderr)
                    continue
                with Server("echo", *options, "--watchdog", "10s") as server:
                    with server.connect() as client:
                        client.sendall(b"hello")
                        self.assertEqual(client.recv(5), b"HELLO")
                    self.assertNotIn("watchdog", server.log())

    def test_no_descriptors_left(self):
        """40 clients of servers that have 32 descriptors; all models at once to save time."""
        servers, clients = [], {}
        try:
            for options in one_per_model():
                if "nonblocking" in options:  # spins by nature, unless it pauses
                    options = [*options, "--poll-interval", "5ms"]
                server = Server("echo", *options, preexec_fn=few_descriptors)
                servers.append(server)
                clients[server] = [server.connect() for _ in range(40)]
                for client in clients[server]:
                    client.sendall(b"x")
            for server in servers:  # a busy machine takes its time
                server.wait_log("accept: Too many open files")
            served = {server: answered(clients[server], 0.3) for server in servers}
            before = {server: server.cpu_seconds() for server in servers}
            start = time.monotonic()
            time.sleep(1)  # what is measured
            for server in servers:
                with self.subTest(model=server.model):
                    spent = server.cpu_seconds() - before[server]
                    self.assertLess(spent / (time.monotonic() - start), 0.5, "it spins")
                    self.assertIsNone(server.process.poll(), server.log())
                    self.recovers(server, clients[server], served[server])
        finally:
            for server in servers:
                for client in clients.get(server, []):
                    client.close()
                server.kill()

    def recovers(self, server, clients, served):
        self.assertGreater(len(served), FEW)
        self.assertLess(len(served), 32)
        self.assertIn("accept: Too many open files; waiting until some are free", server.log())
        for client in served:
            self.assertEqual(client.recv(9), b"X")
            client.close()
        for client in clients:  # in the order they came, so that each makes room for the next
            if client not in served:
                self.assertEqual(client.recv(9), b"X")
                client.close()
        with server.connect() as client:
            client.sendall(b"again")
            self.assertEqual(client.recv(9), b"AGAIN")
        self.assertEqual(server.stop(), 0)

    def test_too_many_for_select(self):
        self.too_many("select", 1100 - 1024, "too large for select(2)")

    def test_too_many_for_posix_aio(self):
        self.too_many("posix-aio", 1100 - 1024 - 1, "a helper thread for no more")

    def too_many(self, model, more_than, words):
        for architecture in ("loop", "loops"):
            with self.subTest(architecture=architecture), \
                    Server("echo", *options_of(model, architecture)) as server:
                clients = [server.connect() for _ in range(1100)]
                refused = []
                for client in clients:
                    try:
                        client.sendall(b"x")
                        if client.recv(9) != b"X":
                            refused.append(client)
                    except ConnectionError:
                        refused.append(client)
                self.assertGreater(len(refused), more_than)
                self.assertLess(len(refused), 200)
                self.assertIn(words, server.log())
                for client in clients:
                    if client not in refused:
                        client.sendall(b"still")
                        self.assertEqual(client.recv(9), b"STILL")
                for client in clients:
                    client.close()
                wait_until(lambda: server.descriptors() < 100, "the server's descriptors")
                with server.connect() as client:
                    client.sendall(b"again")
                    self.assertEqual(client.recv(9), b"AGAIN")

    def test_reset(self):
        """Clients that reset cost nothing but themselves."""
        for options in one_per_model():
            with self.subTest(options=options), Server("echo", *options) as server:
                with server.connect() as witness:
                    witness.sendall(b"x")
                    witness.recv(1)
                    before = server.descriptors()
                    for _ in range(50):
                        client = socket.create_connection((server.host, server.port), DEADLINE)
                        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                        client.sendall(b"y" * 1000)
                        client.close()
                    witness.sendall(b"here")
                    self.assertEqual(witness.recv(9), b"HERE")
                    wait_until(lambda: server.descriptors() <= before, "the descriptors' return")


if __name__ == "__main__":
    main()
