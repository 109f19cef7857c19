"""What the tests of the program share: servers as child processes, clients, and waiting.

The program is the one that the environment variable POLYIO names. Nothing here sleeps to let
something happen: every wait looks for a condition, and fails after DEADLINE seconds.
"""
import concurrent.futures
import fcntl
import functools
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

sys.dont_write_bytecode = True
os.environ |= {"POLYIO_MEMORY": "true", "POLYIO_MESSAGE_RATE": "0"}  # unless a test wants it
DEADLINE = 20.0
POLYIO = os.environ.get("POLYIO", "")
# LeakSanitizer can't do its work in a traced process.
WITHOUT_LEAK_CHECK = {**os.environ,
                      "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}
READY = re.compile(r"listening on (unix|\S+):(\S+) \((\S+), (\S+)\)")


def wait_until(condition, what):
    """The first true value that `condition` answers."""
    end = time.monotonic() + DEADLINE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {DEADLINE:.0f} s for {what}")
        time.sleep(0.01)


def reserved_port(test):
    """A port that no other process can get until `test` ends, and that refuses connections until
    something listens there with SO_REUSEADDR. A port that was only closed may be taken again."""
    sock = socket.socket()
    test.addCleanup(sock.close)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    return sock.getsockname()[1]


def run(*arguments, **options):
    """Runs `polyio ARGUMENTS` to its end; bytes out and err unless text=True."""
    if "input" not in options:
        options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run([POLYIO, *arguments], capture_output=True, timeout=DEADLINE, check=False,
                          **options)


@functools.cache
def models():
    return json.loads(run("models", "--json").stdout)


def has_loop(model):
    """One thread waits for many connections."""
    return next(entry["has_loop"] for entry in models() if entry["model"] == model)


def positions():
    """(model, architecture) for everything that works here."""
    return [(entry["model"], architecture) for entry in models() if entry["available"]
            for architecture in entry["architectures"]]


# Architectures whose connections share one process's memory.
TOGETHER = ("loop", "loops", "thread-per-connection", "thread-pool")


def options_of(model, architecture):
    """With several loops: more of them than the machine may have cores. Where a worker serves one
    connection: more than a test makes."""
    options = ["--model", model, "--architecture", architecture]
    if architecture == "thread-pool" or (architecture == "prefork" and not has_loop(model)):
        return options + ["--workers", "110"]
    return options + (["--workers", "3"] if architecture in ("loops", "prefork") else [])


def reset_on_close(sock):
    """Closing the socket resets the connection instead of ending it."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def receive_all(sock):
    """What comes until the end."""
    chunks = []
    while chunk := sock.recv(65536):
        chunks.append(chunk)
    return b"".join(chunks)


def receive_exactly(sock, count):
    chunks = []
    while count > 0:
        chunk = sock.recv(min(count, 65536))
        if not chunk:
            break
        chunks.append(chunk)
        count -= len(chunk)
    return b"".join(chunks)


def listening_ports():
    """TCP's, and how many connections wait for accept(2) there. The kernel lists the sockets that
    listen first: the others need not be read."""
    ports = {}
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(path, encoding="ascii") as file:
            next(file)  # the heading
            for line in file:
                _, address, _, state, queues, _ = line.split(None, 5)
                if state != "0A":
                    break
                ports[int(address.rpartition(":")[2], 16)] = int(queues.rpartition(":")[2], 16)
    return ports


class Server:
    """A polyio server on a free port. As a context it is stopped at the end and must end with 0."""

    def __init__(self, command, *options, listen="127.0.0.1:0", prefix=(),
                 stdin=subprocess.DEVNULL, **popen):
        self.stderr = tempfile.TemporaryFile()
        self.pid = None
        self.said = ""
        arguments = [*prefix, POLYIO, *command.split(), "--listen", listen, *options]
        self.process = subprocess.Popen(arguments, stdin=stdin, stdout=subprocess.PIPE,
                                        stderr=self.stderr, bufsize=0, **popen)
        try:
            self.ready = self._ready_line()
        except BaseException:
            self.kill()
            raise
        match = READY.fullmatch(self.ready)
        if not match:
            self.kill()
            raise AssertionError(f"not a ready line: {self.ready!r}; stderr: {self.log()}")
        self.host = match[1].strip("[]")
        self.port = match[2] if self.host == "unix" else int(match[2])
        self.model, self.architecture = match[3], match[4]
        self.address = f"{match[1]}:{match[2]}"
        self.pid = self.process.pid
        if prefix:  # strace, whose child the server is
            with open(f"/proc/{self.pid}/task/{self.pid}/children", encoding="ascii") as file:
                self.pid = int(file.read().split()[0])

    def _ready_line(self):
        line = b""
        end = time.monotonic() + DEADLINE
        while not line.endswith(b"\n"):
            if not select.select([self.process.stdout], [], [], end - time.monotonic())[0]:
                raise AssertionError(f"no ready line; stderr: {self.log()}")
            byte = os.read(self.process.stdout.fileno(), 1)
            if not byte:
                raise AssertionError(f"the server ended: {self.log()}")
            line += byte
        return line[:-1].decode()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        try:
            if kind is None:
                code = self.stop()
                assert code == 0, f"exit code {code}; stderr: {self.log()}"
        finally:
            self.kill()

    def log(self):
        if self.stderr.closed:
            return self.said
        size = os.fstat(self.stderr.fileno()).st_size
        return os.pread(self.stderr.fileno(), size, 0).decode()

    def wait_until_accepted(self):
        """Waits until no connection waits to be accepted: those that do are reset by a stop."""
        wait_until(lambda: listening_ports().get(self.port) == 0, "the server to accept all")

    def wait_log(self, pattern, count=1):
        """Waits until the log has `count` matches."""
        wait_until(lambda: len(re.findall(pattern, self.log())) >= count,
                   f"{count} times {pattern!r} in the log")

    def connect(self, **options):
        if self.host == "unix":
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(DEADLINE)
            client.connect(self.port.replace("@", "\0", 1))
            return client
        return socket.create_connection((self.host, self.port), timeout=DEADLINE, **options)

    def listens(self):
        if self.host != "unix":  # without a connection, which would be one more that is served
            return self.port in listening_ports()
        try:
            self.connect().close()
        except OSError:
            return False
        return True

    def threads(self):
        """The names of its threads."""
        names = []
        for task in os.listdir(f"/proc/{self.pid}/task"):
            try:
                with open(f"/proc/{self.pid}/task/{task}/comm", encoding="ascii") as file:
                    names.append(file.read().strip())
            except (FileNotFoundError, ProcessLookupError):
                pass  # it has ended since it was listed
        return names

    def signal(self, number=signal.SIGTERM):
        os.kill(self.pid, number)

    def wait(self):
        return self.process.wait(DEADLINE)

    def stop(self):
        if self.process.poll() is None:
            self.signal()
        return self.wait()

    def kill(self):
        if self.process.poll() is None:
            if self.pid not in (None, self.process.pid):
                os.kill(self.pid, signal.SIGKILL)
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.said = self.log()
        self.stderr.close()
        if self.process.stdin:
            self.process.stdin.close()

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def cpu_seconds(self):
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Terminal:
    """A pseudo-terminal, and what is started on it."""

    def __init__(self, columns=80):
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.before = termios.tcgetattr(self.slave)
        self.seen = b""
        self.process = None

    def start(self, *command, **options):
        def take_terminal():
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        options.setdefault("stdin", self.slave)
        options.setdefault("stdout", self.slave)
        options.setdefault("stderr", self.slave)
        if options["stdin"] == self.slave:
            options["preexec_fn"] = take_terminal
        self.process = subprocess.Popen(command, start_new_session=True,
                                        env={**os.environ, "TERM": "xterm"}, **options)
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)

    def type(self, text):
        os.write(self.master, text)

    def expect(self, pattern):
        """Waits for the bytes `pattern` and returns all up to their end."""
        end = time.monotonic() + DEADLINE
        while pattern not in self.seen:
            left = end - time.monotonic()
            if left < 0 or not select.select([self.master], [], [], left)[0]:
                raise AssertionError(f"{pattern!r} did not appear: {self.seen!r}")
            self.seen += os.read(self.master, 65536)
        before, found, self.seen = self.seen.partition(pattern)
        return before + found

    def wait(self):
        """The exit code; what is printed until then goes to `seen`."""
        def ended():
            self.drain()
            return self.process.poll() is not None
        wait_until(ended, "the end of the program")
        self.drain()
        return self.process.returncode

    def drain(self):
        """Takes what is there."""
        while select.select([self.master], [], [], 0)[0]:
            self.seen += os.read(self.master, 65536)

    def restored(self):
        return termios.tcgetattr(self.slave) == self.before


class LineClient:
    """A client of the chat that speaks lines."""

    def __init__(self, server, ready=True, receive_buffer=None):
        family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
        self.sock = socket.socket(family)
        self.sock.settimeout(DEADLINE)
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.connect((server.host, server.port))
        host, port = self.sock.getsockname()[:2]
        self.name = f"('{host}', {port})"
        self.buffer = b""
        if ready:
            self.sync()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def reset(self):
        reset_on_close(self.sock)
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def read_line(self):
        """The next line with its end; b"" at the end of the connection."""
        while b"\n" not in self.buffer:
            chunk = self.sock.recv(65536)
            if not chunk:
                line, self.buffer = self.buffer, b""
                return line
            self.buffer += chunk
        line, end, self.buffer = self.buffer.partition(b"\n")
        return line + end

    def sync(self):
        """Returns once the server has taken everything sent before, and this client listens."""
        self.send(b"/help\n")
        lines = []
        while (line := self.read_line()) != b"-- quit          leave\n":
            assert line, f"closed: {lines}"
            lines.append(line)
        return lines

    def said(self, text, name=None):
        """The line that every client gets when this client says `text`."""
        return f"[{name or self.name}] ".encode() + text + b"\n"


class TestCase(unittest.TestCase):
    maxDiff = 2000

    def on_all(self, check, all_options):
        """Calls `check(options)` for each, four at a time: most of a check is waiting."""
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            checks = [(options, pool.submit(check, options)) for options in all_options]
            for options, result in checks:
                with self.subTest(options=options):
                    result.result()

    def on_every_position(self, check, architectures=None):
        """Calls `check(options)` for every model and architecture that works here."""
        self.on_all(check, [options_of(model, architecture) for model, architecture in positions()
                            if not architectures or architecture in architectures])


def main():
    if not POLYIO:
        sys.exit("set POLYIO to the program's path")
    unittest.main(verbosity=1)
