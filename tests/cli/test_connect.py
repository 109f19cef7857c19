"""`polyio connect`, the interactive client, in pipes and on a terminal."""
import os
import signal
import socket
import subprocess
import tempfile
import threading

from harness import (DEADLINE, POLYIO, Server, TestCase, Terminal, main, receive_all,
                     reset_on_close, run, wait_until)


class Listener:
    """A server of the test's own: takes one connection and does what the test says."""

    def __init__(self, backlog=5):
        self.sock = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self.sock.settimeout(DEADLINE)
        self.address = "127.0.0.1:%d" % self.sock.getsockname()[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def accept(self):
        peer = self.sock.accept()[0]
        peer.settimeout(DEADLINE)
        return peer

    def serve(self, talk):
        """Runs `talk(peer)` for one connection in a thread."""
        def run_it():
            with self.accept() as peer:
                talk(peer)
        thread = threading.Thread(target=run_it)
        thread.start()
        return thread


def read_line(sock):
    line = b""
    while not line.endswith(b"\n"):
        byte = sock.recv(1)
        if not byte:
            break
        line += byte
    return line


class Pipes(TestCase):
    def test_reply(self):
        with Server("echo") as server:
            done = run("connect", server.address, input="hi, wörld".encode())
            self.assertEqual((done.returncode, done.stdout, done.stderr),
                             (0, "HI, WöRLD".encode(), b""))
            done = run("connect", server.address, stdin=subprocess.DEVNULL)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))

    def test_10_mebibytes(self):
        data = os.urandom(10 << 20)
        with Server("echo") as server, tempfile.TemporaryFile() as given, \
                tempfile.TemporaryFile() as taken:
            done = run("connect", server.address, input=data)
            self.assertEqual((done.returncode, done.stderr), (0, b""))
            self.assertTrue(done.stdout == data.upper(), "pipes: came back changed")
            given.write(data)
            given.seek(0)
            done = subprocess.run([POLYIO, "connect", server.address], stdin=given, stdout=taken,
                                  timeout=DEADLINE, check=False)
            self.assertEqual(done.returncode, 0)
            taken.seek(0)
            self.assertTrue(taken.read() == data.upper(), "files: came back changed")

    def test_output_is_unchanged(self):
        said = b"\x1b[2J\x00\xff\r\n\xe2\x80\xae"
        with Listener() as listener:
            thread = listener.serve(lambda peer: peer.sendall(said))
            self.assertEqual(run("connect", listener.address, input=b"").stdout, said)
            thread.join()

    def test_streams_that_are_closed(self):
        with Server("echo") as server:
            script = '"$0" connect "$1" <&-; echo $?; echo hi | "$0" connect "$1" >&-; echo $?'
            done = subprocess.run(["sh", "-c", script, POLYIO, server.address], text=True,
                                  capture_output=True, timeout=DEADLINE, check=False)
            self.assertEqual((done.stdout, done.stderr), ("0\n0\n", ""))

    def test_output_without_a_reader(self):
        with Listener() as listener:
            process = subprocess.Popen([POLYIO, "connect", listener.address],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE)
            with listener.accept() as peer:
                process.stdout.close()
                peer.sendall(b"x")
                said = process.stderr.read()
                self.assertEqual(process.wait(DEADLINE), 1)
            process.stderr.close()
        self.assertEqual(said, b"polyio connect: can't write the output: Broken pipe\n")

    def test_server_that_does_not_take_everything(self):
        def go(peer):
            peer.recv(10)
        with Listener() as listener:
            thread = listener.serve(go)
            done = run("connect", listener.address, input=bytes(10 << 20))
            thread.join()
        self.assertEqual((done.returncode, done.stdout), (1, b""))
        self.assertIn(b"polyio connect: the ", done.stderr)

    def test_reset(self):
        def reset(peer):
            read_line(peer)
            reset_on_close(peer)
        with Listener() as listener:
            thread = listener.serve(reset)
            done = run("connect", listener.address, input=b"hi\n")
            thread.join()
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr,
                         b"polyio connect: the connection broke: Connection reset by peer\n")

    def test_answer_after_the_end(self):
        with Listener() as listener:
            thread = listener.serve(lambda peer: peer.sendall(b"got " + receive_all(peer)))
            self.assertEqual(run("connect", listener.address, input=b"it").stdout, b"got it")
            thread.join()


class Addresses(TestCase):
    def fails(self, code, *arguments):
        done = run("connect", *arguments, text=True)
        self.assertEqual((done.returncode, done.stdout), (code, ""))
        return done.stderr

    def test_names(self):
        with Server("echo") as server:
            done = run("connect", f"localhost:{server.port}", input=b"name")
            self.assertEqual((done.returncode, done.stdout), (0, b"NAME"))

    def test_ipv6(self):
        if not os.path.exists("/proc/net/if_inet6"):
            self.skipTest("no IPv6 here")
        with Server("echo", listen="[::1]:0") as server:
            done = run("connect", server.address, input=b"six")
            self.assertEqual((done.returncode, done.stdout), (0, b"SIX"))

    def test_nothing_listens(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            address = "127.0.0.1:%d" % taken.getsockname()[1]
            self.assertEqual(self.fails(1, address),
                             f"polyio connect: nothing listens on {address}: start a server first, "
                             f"for example with 'polyio echo --listen {address}'\n")

    def test_no_such_host(self):
        self.assertIn("can't find the host 'nosuch.invalid': ", self.fails(1, "nosuch.invalid:1"))

    def test_no_answer(self):
        with Listener(backlog=0) as listener:
            waiting = []
            try:  # until the backlog is full
                for _ in range(10):
                    waiting.append(socket.create_connection(listener.sock.getsockname(), 0.2))
            except TimeoutError:
                pass
            said = self.fails(1, "--timeout", "100ms", listener.address)
            for sock in waiting:
                sock.close()
        self.assertIn(f"no answer from {listener.address}: check the address", said)

    def test_not_an_address(self):
        for address in ("", "8080", "localhost", "localhost:", ":8080", "localhost:x", "::1:80",
                        "localhost:0", "localhost:65536", "[::1]", "[localhost]:80", "[]:80"):
            with self.subTest(address=address):
                self.assertIn("give HOST:PORT, such as 127.0.0.1:8080, ", self.fails(2, address))
        self.fails(2)


class OnTerminal(TestCase):
    def talk(self, address, columns=80):
        terminal = Terminal(columns).start(POLYIO, "connect", address)
        self.addCleanup(terminal.__exit__)
        terminal.expect(f"-- connected to {address}; quit or Ctrl-D leaves\r\n>>> ".encode())
        return terminal

    def ends(self, terminal, code=0):
        self.assertEqual(terminal.wait(), code)
        self.assertTrue(terminal.restored(), "the terminal is not as it was")

    def test_editing(self):
        with Server("echo") as server:
            terminal = self.talk(server.address)
            terminal.type(b"hello\r")
            terminal.expect(b"HELLO\r\n>>> ")
            terminal.type(b"\r")  # an empty line is not sent
            terminal.expect(b"\r\n>>> ")  # until then the terminal itself edits what is typed
            terminal.type(b"   \x15")  # Ctrl-U takes back
            terminal.type("bad häß€".encode() + b"\x7f\x7fX\x1b[D\x1b[D\x01\x1b[C\x0b")
            terminal.type(b"\x19!\x05?\r")  # Ctrl-Y, Ctrl-E
            terminal.expect("BAD HäX!?".encode() + b"\r\n>>> ")
            terminal.type(b"\x1b[A\x1b[A\r")  # up, up: history
            terminal.expect(b"HELLO\r\n>>> ")
            terminal.type(b"quit\r")
            self.ends(terminal)
            self.assertNotIn(b"QUIT", terminal.seen)

    def test_what_comes_leaves_the_typed_line_alone(self):
        with Listener() as listener:
            terminal = self.talk(listener.address, columns=20)
            with listener.accept() as peer:
                terminal.type(b"half")
                terminal.expect(b"half")
                peer.sendall(b"news\n")
                self.assertEqual(terminal.expect(b"half"), b"\r\x1b[Jnews\r\n>>> half")
                peer.sendall(b"without an end")  # is shown without it
                self.assertEqual(terminal.expect(b"half"), b"\r\x1b[Jwithout an end\r\n>>> half")
                terminal.type(b" and half\r")
                self.assertEqual(read_line(peer), b"half and half\n")
                terminal.expect(b">>> ")
                terminal.type(b"0123456789" * 5 + b"\x02" * 10)  # three rows
                terminal.expect(b"0123456789" * 1)
                terminal.type(b"_")
                terminal.expect(b"_")
                peer.sendall(b"more\n")
                terminal.expect(b"\x1b[2A\r\x1b[Jmore\r\n>>> 0123456789")
                terminal.type(b"\r")
                self.assertEqual(read_line(peer), b"0123456789" * 4 + b"_0123456789\n")
                terminal.type(b"\x04")
                self.assertEqual(receive_all(peer), b"")
                peer.sendall(b"bye\n")
                terminal.expect(b"bye\r\n")
            self.ends(terminal)

    def test_hostile_server(self):
        said = (b"\x1b[2J\x1b]0;title\x07\x9b31m\xc2\x9b1m\x08\x00\r\rtab\t.\\\r\n"
                b"\xff\xc3\xa4\xe2\x80\xae\xf0\x9f\x91\x8b\xc3\n")
        shown = (b"\\x1B[2J\\x1B]0;title\\x07\\x9B31m\\xC2\\x9B1m\\x08\\x00\\x0D\\x0Dtab\t.\\\r\n"
                 b"\\xFF\xc3\xa4\\xE2\\x80\\xAE\xf0\x9f\x91\x8b\\xC3\r\n>>> ")
        with Listener() as listener:
            terminal = self.talk(listener.address)
            with listener.accept() as peer:
                peer.sendall(said)
                self.assertEqual(terminal.expect(b">>> "), b"\r\x1b[J" + shown)
                for byte in b"\xf0\x9f\x91\x8b\x1b\n":  # in pieces
                    peer.sendall(bytes([byte]))
                self.assertEqual(terminal.expect(b">>> "),
                                 b"\r\x1b[J\xf0\x9f\x91\x8b\\x1B\r\n>>> ")
            terminal.expect(b"-- the server closed the connection\r\n")
            self.ends(terminal)

    def test_a_terminal_for_output_only(self):
        with Listener() as listener, Terminal() as terminal:
            terminal.start(POLYIO, "connect", listener.address, stdin=subprocess.DEVNULL)
            with listener.accept() as peer:
                peer.sendall(b"\x1b[2J\xc3")
                terminal.expect(b"\\x1B[2J")
                peer.sendall(b"\xa4\n")
            self.assertEqual(terminal.wait(), 0)
            self.assertEqual(terminal.seen, b"\xc3\xa4\r\n")

    def test_signals(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            with self.subTest(number=number), Listener() as listener:
                terminal = self.talk(listener.address)
                with listener.accept():
                    terminal.type(b"half")
                    terminal.expect(b"half")
                    terminal.process.send_signal(signal.SIGWINCH)
                    terminal.expect(b">>> half")
                    if number == signal.SIGINT:
                        terminal.type(b"\x03")
                    else:
                        terminal.process.send_signal(number)
                    self.ends(terminal, 128 + number)

    def test_stopped_and_continued(self):
        with Listener() as listener:
            terminal = self.talk(listener.address)
            with listener.accept() as peer:
                terminal.type(b"ha")
                terminal.expect(b"ha")
                terminal.process.send_signal(signal.SIGSTOP)
                os.waitid(os.P_PID, terminal.process.pid, os.WSTOPPED | os.WNOWAIT)
                terminal.process.send_signal(signal.SIGCONT)
                terminal.expect(b">>> ha")
                terminal.type(b"lf\rquit\r")
                self.assertEqual(receive_all(peer), b"half\n")
            self.ends(terminal)

    def test_flood(self):
        """What is typed gets through while the server sends without end."""
        with Listener() as listener:
            terminal = self.talk(listener.address)
            with listener.accept() as peer:
                peer.settimeout(0)
                terminal.type(b"stop\r")
                got = b""

                def flood():
                    nonlocal got
                    try:
                        peer.send(b"line\n" * 1000)
                    except BlockingIOError:
                        pass
                    try:
                        got += peer.recv(100)
                    except BlockingIOError:
                        pass
                    terminal.seen = b""
                    terminal.drain()
                    return got == b"stop\n"
                wait_until(flood, "the line")
            terminal.expect(b"-- the server closed the connection")
            self.ends(terminal)

    def test_dumb_terminal(self):
        """One that can't move its cursor is a pipe, but nothing hostile reaches it."""
        with Server("echo") as server, Terminal() as terminal:
            terminal.start("env", "TERM=dumb", POLYIO, "connect", server.address)
            terminal.type(b"hi\x04\x04")
            terminal.expect(b"HI")
            self.assertEqual(terminal.wait(), 0)


if __name__ == "__main__":
    main()
