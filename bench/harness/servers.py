"""The servers that are measured: polyio, the hand-written limits, the peers."""
import ctypes
import os
import re
import resource
import select
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "bench"
BINARIES = BUILD / "bench"
POLYIO = BUILD / "apps" / "polyio" / "polyio"
LOAD = (str(POLYIO), "lab", "load")
SOURCES = ROOT / "bench" / "servers"
MODELS = ["io_uring", "epoll", "epoll-et", "poll", "select"]
READY = re.compile(rb"127\.0\.0\.1:(\d+) ")


@dataclass(frozen=True)
class Server:
    name: str
    command: tuple
    kind: str  # "polyio", "limit" or "peer"
    limit: str = "hand-epoll"  # the hand-written loop of the same kind
    protocol: str = "lines"  # fan-out only
    executable: str = ""  # where the file has another name than command[0]
    most: int = 1_000_000  # connections it can hold

    def missing(self):
        """What it lacks to run here, or nothing."""
        needed = [self.executable or self.command[0]]
        needed += [part for part in self.command[1:] if part.startswith(str(ROOT))]
        for file in needed:
            if not shutil.which(file) and not Path(file).is_file():
                return f"{Path(file).name} is not there"
        if "uvloop" in self.command and not python_with("uvloop"):
            return "python3-uvloop is not there"
        if self.name == "node-ws" and not (ROOT / "web/node_modules/ws").is_dir():
            return "npm install has not been run in web/"
        return ""


def python_with(module):
    """Debian's own python3 has Debian's modules; another one may come first in PATH."""
    for python in ("/usr/bin/python3", shutil.which("python3") or ""):
        if python and Path(python).is_file():
            probe = subprocess.run([python, "-c", f"import {module}"], capture_output=True)
            if probe.returncode == 0:
                return python
    return ""


PYTHON = python_with("uvloop") or "/usr/bin/python3"


def polyio(command, suffix="", *options):
    rows = []
    for model in MODELS:
        limit = {"epoll-et": "hand-epoll"}.get(model, f"hand-{model}")
        if command == "chat" and model not in ("io_uring", "epoll"):
            limit = "hand-epoll"
        if suffix:
            limit = f"polyio-{model}"  # the same without the options
        rows.append(Server(
            f"polyio-{model}{suffix}",
            (str(POLYIO), command, "--listen", "127.0.0.1:0", "--architecture", "loop",
             "--model", model, *options),
            "polyio", limit, "chat", most=1000 if model == "select" else 1_000_000))
    return rows


def polyio_threads():
    return Server("polyio-threads", (
        str(POLYIO), "echo", "--listen", "127.0.0.1:0", "--model", "blocking",
        "--architecture", "thread-per-connection"), "polyio", "hand-threads")


def binary(name, program, kind="peer", limit="hand-epoll", *arguments, most=1_000_000):
    return Server(name, (str(BINARIES / program), *arguments), kind, limit, most=most)


def script(name, interpreter, program, *arguments, protocol="lines"):
    return Server(name, (interpreter, str(SOURCES / program), *arguments), "peer",
                  protocol=protocol)


def spin_offered():
    try:
        text = subprocess.run([POLYIO, "echo", "--help"], capture_output=True, text=True).stdout
    except OSError:
        return False
    return "--spin" in text


def echo_limits():
    return [
        binary("hand-epoll", "echo_epoll", "limit"),
        binary("hand-io_uring", "echo_uring", "limit", "hand-io_uring"),
        binary("hand-poll", "echo_poll", "limit", "hand-poll"),
        binary("hand-select", "echo_select", "limit", "hand-select", most=1000),
        binary("hand-threads", "echo_threads", "limit", "hand-threads"),
    ]


def echo_peers():
    return [
        binary("libuv", "echo_libuv"),
        binary("libevent", "echo_libevent"),
        binary("libevent-bufferevent", "echo_bufferevent"),
        binary("libev", "echo_libev"),
        binary("asio", "echo_asio"),
        binary("asio-coroutine", "echo_asio_coroutine"),
        binary("asio-io_uring", "echo_asio_uring", "peer", "hand-io_uring"),
        binary("go", "echo_go"),
        script("node", "node", "echo_node.mjs"),
        script("python-selectors", PYTHON, "echo_selectors.py"),
        script("python-asyncio", PYTHON, "echo_asyncio.py", "0", "asyncio"),
        script("python-uvloop", PYTHON, "echo_asyncio.py", "0", "uvloop"),
    ]


def echo_servers():
    return echo_limits() + polyio("echo") + [polyio_threads()] + echo_peers()


def growth_servers():
    """polyio's models beside one hand-written loop, the limit of them all here."""
    return [replace(row, limit="hand-epoll")
            for row in [*echo_limits()[:1], *polyio("echo"), polyio_threads()]]


def round_trip_servers():
    """With and without polling for 60 us before sleeping."""
    spinning = [
        binary("hand-epoll-spin", "echo_epoll", "limit", "hand-epoll", "0", "60"),
        binary("hand-io_uring-spin", "echo_uring", "limit", "hand-io_uring", "0", "60"),
    ]
    if spin_offered():
        spinning += polyio("echo", "-spin", "--spin", "60us")
    return echo_servers() + spinning


def broadcast_servers():
    return [
        binary("hand-epoll", "broadcast_epoll", "limit"),
        binary("hand-io_uring", "broadcast_uring", "limit", "hand-io_uring"),
        *polyio("chat"),
        binary("asio", "broadcast_asio"),
        binary("go", "broadcast_go"),
        script("node", "node", "broadcast_node.mjs"),
        script("python-selectors", PYTHON, "broadcast_selectors.py"),
        script("python-asyncio", PYTHON, "broadcast_asyncio.py", "0", "asyncio"),
        script("python-uvloop", PYTHON, "broadcast_asyncio.py", "0", "uvloop"),
        redis(),
    ]


def redis():
    """Debian's redis-tools has the server's program under the name of one of its other trades."""
    program = shutil.which("redis-server") or shutil.which("redis-check-rdb") or "redis-server"
    return Server("redis", (
        "redis-server", "--bind", "127.0.0.1", "--port", "{port}", "--save", "", "--appendonly",
        "no", "--protected-mode", "no", "--maxclients", "15000", "--tcp-backlog", "4096"),
        "peer", protocol="redis", executable=program)


def page_servers():
    """WebSocket."""
    chats = [Server(row.name, row.command, row.kind, "node-ws", "chat-ws", most=row.most)
             for row in polyio("chat") if row.name in ("polyio-io_uring", "polyio-epoll")]
    return [
        Server("node-ws", ("node", str(SOURCES / "broadcast_ws.mjs")), "peer", "node-ws", "ws"),
        *chats,
    ]


def prepare_child(cpu):
    """In a child: its core, as many descriptors as there may be, and death with us."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Running:
    """One server, started fresh on its core; ends with the `with` block, or with us."""

    def __init__(self, server, cpu, wrapper=(), patience=30):
        self.server, self.cpu, self.wrapper, self.patience = server, cpu, wrapper, patience

    def __enter__(self):
        port = free_port() if "{port}" in self.server.command else 0
        command = [part.format(port=port) if part == "{port}" else part
                   for part in self.server.command]
        self.process = subprocess.Popen(
            [*self.wrapper, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, start_new_session=True,
            preexec_fn=lambda: prepare_child(self.cpu),
            executable=None if self.wrapper else self.server.executable or None)
        try:
            self.port = port or self.read_port()
            if port:
                self.wait_for(port)
        except BaseException:
            self.__exit__()
            raise
        return self

    def read_port(self):
        end, line = time.monotonic() + self.patience, b""
        output = self.process.stdout.fileno()
        while time.monotonic() < end:
            if select.select([output], [], [], 0.2)[0]:
                piece = os.read(output, 4096)
                line += piece
                found = READY.search(line)
                if found:
                    self.ready = line.decode().strip()  # what it said
                    return int(found.group(1))
                if not piece:
                    break
        raise RuntimeError(f"{self.server.name} does not start: {line.decode().strip()}")

    def wait_for(self, port):
        end = time.monotonic() + self.patience
        while time.monotonic() < end and self.process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.05)
        raise RuntimeError(f"{self.server.name} does not start")

    def __exit__(self, *_):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)  # its own session: it and its children
        except ProcessLookupError:
            pass
        self.process.wait()
        self.process.stdout.close()
