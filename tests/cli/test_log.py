"""The log, and what becomes of a server whose log nobody reads."""
import os
import resource
import signal

from harness import LineClient, Server, TestCase, main, wait_until


class StuckPipe:
    """A pipe that is full and blocking, as it is when its reader sleeps."""

    def __enter__(self):
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.writer, False)
        for size in (4096, 1):
            try:
                while True:
                    os.write(self.writer, b"x" * size)
            except BlockingIOError:
                pass
        os.set_blocking(self.writer, True)
        return self

    def __exit__(self, *_):
        os.close(self.reader)
        os.close(self.writer)

    def server(self, command, *options, first=lambda: None):
        """With its stderr there, and after `first()` in its process."""
        def begin():
            os.dup2(self.writer, 2)
            first()
        return Server(command, *options, preexec_fn=begin)


class WithoutAReader(TestCase):
    def echoes(self, client, text):
        client.sendall(text)
        self.assertEqual(client.recv(99), text.upper())

    def test_a_loop_goes_on(self):
        """Out of descriptors, which is logged."""
        little = 32

        def few():
            resource.setrlimit(resource.RLIMIT_NOFILE, (little, little))
        with StuckPipe() as pipe:
            with pipe.server("echo", "--model", "epoll", first=few) as server:
                client = server.connect()
                self.echoes(client, b"one")
                more = [server.connect() for _ in range(2 * little)]
                wait_until(lambda: server.descriptors() >= little, "its descriptors to be taken")
                self.echoes(client, b"two")
                for one in [client, *more]:
                    one.close()

    def test_a_supervisor_replaces_its_workers(self):
        """Their end by kill -9 is logged."""
        with StuckPipe() as pipe:
            with pipe.server("echo", "--model", "epoll", "--architecture", "prefork",
                             "--workers", "2") as server:
                children = f"/proc/{server.pid}/task/{server.pid}/children"
                with open(children, encoding="ascii") as file:
                    before = set(file.read().split())
                for child in before:
                    os.kill(int(child), signal.SIGKILL)
                with server.connect() as client:
                    self.echoes(client, b"again")

    def test_the_chat_goes_on_and_stops(self):
        with StuckPipe() as pipe:
            with pipe.server("chat", "--model", "epoll") as server, LineClient(server) as client:
                client.send(b"hello\n")
                self.assertEqual(client.read_line(), client.said(b"hello"))

    def test_a_log_at_its_largest_size(self):
        """ulimit -f, LimitFSIZE=: the kernel's signal would end the server."""
        def small():
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        with Server("chat", preexec_fn=small) as server:
            def size_after_one_more():
                with LineClient(server) as client:
                    client.send(b"words that fill the log as the days go by\n")
                    self.assertTrue(client.read_line().endswith(b"go by\n"))
                return os.fstat(server.stderr.fileno()).st_size
            wait_until(lambda: size_after_one_more() == 4096, "the log to be full")
            self.assertEqual(size_after_one_more(), 4096)  # and the server goes on


class Missing(TestCase):
    def test_lines_that_are_dropped_are_counted(self):
        reader, writer = os.pipe()
        line = b"x" * 1000 + b"\n"
        with Server("chat", preexec_fn=lambda: os.dup2(writer, 2)) as server:
            os.close(writer)
            with LineClient(server) as client:
                for _ in range(3000):  # three times what is kept
                    client.send(line)
                    client.read_line()
            text = b""
            while b" lines are missing here\n" not in text:
                text += os.read(reader, 1 << 20)
        os.close(reader)


if __name__ == "__main__":
    main()
