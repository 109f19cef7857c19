"""`polyio lab live`: the page and its WebSocket, the dials, and the end. No figure is compared with
the clock.
"""
import os
import re
import signal
import socket
import subprocess
import unittest
from pathlib import Path

from harness import DEADLINE, POLYIO, WITHOUT_LEAK_CHECK, TestCase, main, run, wait_until
from websocket import BINARY, PING, PONG, TEXT, WebSocket, http


def children(pid):
    """Of the process, and what those have started."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        found = [int(child) for child in path.read_text().split()]
    except FileNotFoundError:
        return []
    return found + [one for child in found for one in children(child)]


def command_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def is_gone(pid):
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


class Live:
    """A `polyio lab live` that is stopped at the end."""

    def __init__(self, *options):
        arguments = [POLYIO, "lab", "live", "--listen", "127.0.0.1:0", "--every", "0.1", *options]
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        stdin=subprocess.DEVNULL, text=True,
                                        env=WITHOUT_LEAK_CHECK)
        self.ready = self.process.stdout.readline()
        match = re.fullmatch(r"open http://(127\.0\.0\.1):(\d+)/\n", self.ready)
        if not match:
            self.process.kill()
            raise AssertionError(f"{self.ready!r}: {self.process.communicate()[1]}")
        self.host, self.port = match[1], int(match[2])
        self.address = f"{match[1]}:{match[2]}"

    def connect(self):
        return socket.create_connection((self.host, self.port), DEADLINE)

    def child(self, word):
        """The pid of its `lab WORD`."""
        return next((pid for pid in children(self.process.pid)
                     if f"lab {word} " in command_of(pid)), None)

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        code = self.process.wait(DEADLINE)
        self.close()
        return code

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


class LiveTest(TestCase):
    options = ("--model", "epoll", "--connections", "10")

    def start(self, *options):
        self.live = Live(*(options or self.options))
        self.addCleanup(self.live.close)
        return self.live

    def browser(self, **headers):
        page = WebSocket(self.live, **headers)
        self.addCleanup(page.sock.close)
        return page

    def state_with(self, page, wanted):
        """The next state for which `wanted` is true."""
        for _ in range(1000):
            state = page.next_of("state")
            if wanted(state):
                return state
        raise AssertionError(f"not seen: {state}")

    def running(self, page):
        return self.state_with(page, lambda state: state["phase"] == "running")

    def turn(self, page, **dials):
        page.send(type="turn", dials=dials)


class Dials(LiveTest):
    def setUp(self):
        self.start()
        self.page = self.browser()
        self.hello = self.page.next_of("hello")
        self.running(self.page)

    def test_figures_come(self):
        self.assertEqual(self.hello["seconds"], 120)
        self.assertTrue(self.hello["machine"]["processor"])
        for _ in range(3):
            figures = self.page.next_of("figures")["figures"]
            self.assertGreaterEqual(figures["requests"], 0)
            self.assertGreater(figures["memory"] if "memory" in figures else 1, 0)
        later = self.browser().next_of("hello")
        self.assertGreaterEqual(len(later["figures"]), 3)

    def test_the_model_is_changed_under_the_connections(self):
        server, load = self.live.child("serve"), self.live.child("load")
        for model in ("poll", "select", "epoll"):
            self.turn(self.page, model=model)
            state = self.state_with(self.page, lambda state: "was changed" in state["says"])
            self.assertEqual(state["position"]["model"], model)
            self.assertRegex(state["says"], rf"{model}, after \w+: 10 connections, a pause of ")
            self.page.next_of("figures")
        self.assertEqual((self.live.child("serve"), self.live.child("load")), (server, load))
        marks = [mark["text"] for mark in self.browser().next_of("hello")["marks"]]
        self.assertEqual(marks[0], "model poll")
        self.assertTrue(marks[1].startswith("pause of "))

    def test_what_can_not_be_changed_gives_a_new_server(self):
        before = self.live.child("serve")
        self.turn(self.page, architecture="thread-per-connection")
        state = self.state_with(self.page, lambda state: state["says"].startswith("A new server"))
        self.assertEqual(state["position"]["architecture"], "thread-per-connection")
        self.running(self.page)
        second = self.live.child("serve")
        self.assertNotEqual(second, before)
        self.turn(self.page, model="blocking")
        state = self.state_with(self.page, lambda state: "each connection waits" in state["says"])
        self.running(self.page)
        self.turn(self.page, model="poll")
        self.state_with(self.page, lambda state: "each connection waits" in state["says"])
        self.running(self.page)
        self.turn(self.page, model="epoll")
        self.state_with(self.page, lambda state: "connection's thread" in state["says"])
        self.running(self.page)
        self.page.next_of("figures")

    def test_a_dial_of_the_load_gives_a_new_load(self):
        server, load = self.live.child("serve"), self.live.child("load")
        self.turn(self.page, connections=20, size=1024, depth=2, rate=100, active=5)
        state = self.state_with(self.page, lambda state: "A new load" in state["says"])
        self.assertEqual(state["position"]["connections"], 20)
        self.running(self.page)
        self.page.next_of("figures")
        self.assertEqual(self.live.child("serve"), server)
        self.assertNotEqual(self.live.child("load"), load)

    def test_all_browsers_see_the_same(self):
        other = self.browser()
        other.next_of("hello")
        self.turn(other, handler="sleep:1ms", policy="rr")
        for page in (self.page, other):
            state = self.state_with(page, lambda state: state["position"]["policy"] == "rr")
            self.assertEqual(state["position"]["handler"], "sleep:1ms")

    def test_what_does_not_go_together_is_refused(self):
        self.turn(self.page, model="blocking")
        text = self.page.next_of("error")["text"]
        self.assertIn("would hold up all connections", text)
        choices = next(dial["choices"] for dial in self.browser().next_of("state")["dials"]
                       if dial["dial"] == "model")
        why = {choice["value"]: choice["why_not"] for choice in choices}
        self.assertEqual((why["blocking"], why["poll"]), (text, ""))

    def test_bad_messages_end_nothing(self):
        for frame in (b"", b"{", b"[]", b"null", b'{"type":"turn"}', b"[" * 4000,
                      b'{"type":"turn","dials":{"model":7}}', b'{"type":"turn","dials":{"x":1}}',
                      b'{"type":"turn","dials":{"connections":1e99}}'):
            self.page.send_frame(TEXT, frame)
            self.assertTrue(self.page.next_of("error")["text"])
        self.page.send_frame(PING, b"there?")
        while (frame := self.page.frame())[0] == TEXT:
            pass
        self.assertEqual(frame, (PONG, b"there?"))
        for opcode, payload, code in ((TEXT, b"x" * 5000, 1009), (BINARY, b"\0", 1003),
                                      (TEXT, b"\xff", 1007), (8, b"\x03\xe8", 1000)):
            page = self.browser()
            page.send_frame(opcode, payload)
            self.assertEqual(page.closed(), code)
        self.page.next_of("figures")

    def test_a_server_that_dies_is_reported_and_started_again(self):
        os.kill(self.live.child("serve"), signal.SIGKILL)
        state = self.state_with(self.page, lambda state: state["phase"] == "failed")
        self.assertIn("Turn a dial to start again", state["says"])
        self.assertEqual(children(self.live.process.pid), [])
        self.turn(self.page)
        self.running(self.page)
        os.kill(self.live.child("load"), signal.SIGKILL)
        self.state_with(self.page, lambda state: state["phase"] == "failed")
        self.turn(self.page, connections=5)
        self.running(self.page)
        self.page.next_of("figures")

    def test_calls_are_counted_and_a_request_is_traced(self):
        state = self.state_with(self.page, lambda state: state["calls"])
        if "error" in state["calls"] and "ptrace" in state["calls"]["error"]:
            self.skipTest(state["calls"]["error"])
        self.assertEqual(state["calls"]["counted_at"], "10 connections")
        self.assertGreater(state["calls"]["system_calls_per_request"], 1)
        trace = self.page.next_of("trace")["trace"]
        while not trace:
            trace = self.page.next_of("trace")["trace"]
        self.assertEqual((trace["model"], trace["posix"]), ("epoll", "synchronous"))
        signs = {piece[2] for thread in trace["threads"] for piece in thread["pieces"]}
        self.assertTrue({"#", ">", "-"} <= signs, signs)
        late = self.browser()
        self.assertEqual(late.next_of("trace")["trace"], trace)


class Doors(LiveTest):
    def setUp(self):
        self.start()

    def get(self, method="GET", path="/", **headers):
        return http(self.live, method, path, **headers)

    def test_page(self):
        page = self.get()
        self.assertEqual(page.status, 200)
        self.assertEqual(page.headers["content-type"], "text/html; charset=utf-8")
        self.assertIn(b"<title>polyio lab live</title>", page.body)
        policy = page.headers["content-security-policy"]
        for rule in ("default-src 'none'", "script-src 'sha256-", "connect-src 'self'",
                     "frame-ancestors 'none'"):
            self.assertIn(rule, policy)
        self.assertNotIn("unsafe", policy)
        self.assertEqual(page.headers["x-content-type-options"], "nosniff")
        self.assertEqual(self.get("HEAD").body, b"")
        self.assertEqual(self.get(If_None_Match=page.headers["etag"]).status, 304)
        self.assertEqual(self.get(path="/nothing").status, 404)
        self.assertEqual(self.get("POST").status, 405)
        self.assertEqual(self.get(path="/" + "x" * 10_000).status, 414)

    def test_names_that_a_stranger_can_point_here(self):
        for host in ("evil.example", f"evil.example:{self.live.port}"):
            self.assertEqual(self.get(Host=host).status, 403)
            self.assertEqual(self.browser(Host=host, Origin=f"http://{host}").status, 403)
        self.assertEqual(self.get(Host=f"localhost:{self.live.port}").status, 200)

    def test_pages_of_other_sites(self):
        for origin in ("https://evil.example", "null", "http://127.0.0.1:1",
                       f"http://localhost:{self.live.port}"):
            self.assertEqual(self.browser(Origin=origin).status, 403)
        self.assertEqual(self.browser(Origin=f"http://{self.live.address}").status, 101)


class Ends(LiveTest):
    def gone(self, pids):
        for pid in pids:
            wait_until(lambda pid=pid: is_gone(pid), f"the end of {pid}")

    def started(self):
        self.start()
        page = self.browser()
        self.running(page)
        pids = children(self.live.process.pid)
        self.assertGreaterEqual(len(pids), 2)
        return page, pids

    def test_ctrl_c(self):
        page, pids = self.started()
        self.live.process.send_signal(signal.SIGINT)
        self.assertEqual(page.closed(), 1001)
        self.assertEqual(self.live.process.wait(DEADLINE), 130)
        self.gone(pids)

    def test_terminate(self):
        _, pids = self.started()
        self.assertEqual(self.live.end(signal.SIGTERM), 143)
        self.gone(pids)

    def test_killed(self):
        _, pids = self.started()
        self.assertEqual(self.live.end(signal.SIGKILL), -signal.SIGKILL)
        self.gone(pids)

    def test_by_itself(self):
        done = run("lab", "live", "--listen", "127.0.0.1:0", "--for", "0.2", text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"\Aopen http://127\.0\.0\.1:\d+/\n\Z")


class Refused(unittest.TestCase):
    def check(self, pattern, *options, code=1):
        done = run("lab", "live", "--for", "0.1", *options, text=True)
        self.assertEqual((done.returncode, done.stdout.startswith("listening")), (code, False))
        self.assertRegex(done.stderr, pattern)

    def test_a_port_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            self.check(f"{address} is in use.*take another port: --listen", "--listen", address)

    def test_dials(self):
        anywhere = ("--listen", "127.0.0.1:0")
        self.check("there is no model 'none'", *anywhere, "--model", "none")
        self.check("would hold up all", *anywhere, "--model", "blocking", "--architecture", "loop")
        self.check("connections takes a whole number", *anywhere, "--connections", "0")
        self.check("needs ADDRESS:PORT", "--listen", "unix:/tmp/none")
        self.check("every", *anywhere, "--every", "0", code=2)

    def test_it_says_that_others_reach_it(self):
        done = run("lab", "live", "--for", "0.1", "--listen", "0.0.0.0:0", text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("can turn the dials", done.stderr)


if __name__ == "__main__":
    main()
