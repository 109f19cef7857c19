"""`polyio lab run`: results.json has the form of docs/lab.md, an interrupted run is gone on with,
no process is left; and servers of known behaviour are measured as what they are. No figure is
compared with the clock: the machine may be busy.
"""
import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from harness import (POLYIO, WITHOUT_LEAK_CHECK, Server, TestCase, Terminal, main, run,
                     wait_until)

RUN_NUMBERS = ("requests_per_second", "cpu_us", "switches_voluntary", "switches_involuntary",
               "waited_for_core_share")
RUN_OPTIONAL = ("cpu_user_us", "cpu_system_us", "memory_bytes_per_connection",
                "accepts_per_second")
LATENCIES = ("p50", "p90", "p99", "p999", "max")
SHORT = ("--seconds", "0.05")


def lab(folder, *options):
    return ["lab", "run", "--out", str(folder), *SHORT, *map(str, options)]


def processes_with(word):
    """Those that have it as an argument."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if word.encode() in words and state != "Z":
            found.append(int(pid))
    return found


class LabCase(TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name) / "out"
        self.file = self.folder / "results.json"

    def results(self):
        return json.loads(self.file.read_text())

    def reported(self):
        """What the page beside it shows."""
        page = (self.folder / "report.html").read_text()
        return json.loads(page.split('id="results">', 1)[1].split("</script>", 1)[0])

    def done(self, *options, code=0):
        """A run to its end, and what it printed."""
        done = subprocess.run([POLYIO, *lab(self.folder, *options)], capture_output=True, text=True,
                              timeout=120, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def check_run(self, one, rounds):
        self.assertIn(one["round"], range(1, rounds + 1))
        if "error" in one:
            self.assertEqual(set(one), {"round", "error"})
            return
        self.assertEqual(set(one), {"round", "latency_us", *RUN_NUMBERS, *RUN_OPTIONAL})
        for name in RUN_NUMBERS:
            self.assertIsInstance(one[name], (int, float), name)
        for name in RUN_OPTIONAL:
            self.assertIsInstance(one[name], (int, float, type(None)), name)
        latency = [one["latency_us"][name] for name in LATENCIES]
        self.assertEqual(latency, sorted(latency))
        self.assertEqual(set(one["latency_us"]), set(LATENCIES))

    def check_medians(self, point):
        for name, median in point["medians"].items():
            if median is None:
                continue
            self.assertEqual(set(median), {"median", "low", "high"}, name)
            self.assertTrue(median["low"] <= median["median"] <= median["high"], name)

    def check_form(self, results):
        """Schema 1, as docs/lab.md has it."""
        self.assertEqual(set(results), {"schema", "polyio", "command", "started", "finished",
                                        "complete", "machine", "settings", "points", "verdicts"})
        self.assertEqual(results["schema"], 1)
        self.assertEqual(set(results["machine"]), {"processor", "cores", "memory_bytes", "kernel",
                                                   "system", "virtual", "descriptors"})
        self.assertEqual(set(results["settings"]), {"quick", "rounds", "seconds", "warmup", "seed",
                                                    "server_cores", "load_cores"})
        dials = {"model", "architecture", "handler", "connections", "active", "size", "depth",
                 "rate"}
        for point in results["points"]:
            if "left_out" in point:
                self.assertEqual(set(point), dials | {"left_out"})
                continue
            self.assertEqual(set(point), dials | {"runs", "system_calls_per_request",
                                                  "system_calls", "medians"})
            for one in point["runs"]:
                self.check_run(one, results["settings"]["rounds"])
            self.check_medians(point)
        for verdict in results["verdicts"]:
            self.assertEqual(set(verdict), {"question", "answer", "text", "within_noise"})


class Lab(LabCase):
    def test_measures_and_says_what_to_use(self):
        done = self.done("--models", "epoll,blocking", "--architectures",
                         "loop,thread-per-connection", "--connections", "1,10", "--rounds", 1)
        results = self.results()
        self.check_form(results)
        self.assertEqual(self.reported(), results)
        self.assertTrue(results["complete"] and results["finished"])
        points = results["points"]
        self.assertEqual(len(points), 8)
        for point in points:
            if (point["model"], point["architecture"]) == ("blocking", "loop"):
                self.assertIn("one blocking call would hold up", point["left_out"])
                continue
            self.assertEqual([one["round"] for one in point["runs"]], [1])
            self.assertNotIn("error", point["runs"][0])
        # Measured once, every difference may be noise.
        self.assertEqual([verdict["within_noise"] for verdict in results["verdicts"]], [True] * 4)
        self.assertIn("Which model answers with the least CPU at 10 connections?", done.stdout)
        self.assertIn("blocking, loop: left out: one blocking call", done.stdout)
        self.check_calls(points)

    def check_calls(self, points):
        """A server that waits and is asked once at a time: its calls are known."""
        alone = [point for point in points if point["connections"] == 1 and "runs" in point]
        counted = {point["model"]: point["system_calls"] for point in alone
                   if point["architecture"] != "thread-per-connection"
                   or point["model"] == "blocking"}
        if counted["epoll"] is None:
            self.skipTest("ptrace(2) is not allowed here")
        # A sanitizer makes a few of its own, now and then.
        often = {model: {name for name, count in calls.items() if count > 0.1}
                 for model, calls in counted.items()}
        self.assertEqual(often, {"epoll": {"epoll_pwait2", "recvfrom", "sendto"},
                                 "blocking": {"recvfrom", "sendmsg"}})
        for model, calls in counted.items():
            self.assertEqual({calls[name] for name in often[model]}, {1}, calls)

    def test_where_calls_can_not_be_counted_they_are_null(self):
        strace = shutil.which("strace")
        if not strace:
            self.skipTest("strace is missing: scripts/install test")
        # What is traced already can't be traced by another.
        done = subprocess.run(
            [strace, "-f", "-qq", "-e", "trace=none", "-o", os.devnull, POLYIO,
             *lab(self.folder, "--models", "epoll,poll", "--architectures", "loop",
                  "--connections", 1, "--rounds", 1)], capture_output=True, text=True, timeout=120,
            env=WITHOUT_LEAK_CHECK)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr.count("ptrace(2) is not allowed here"), 1, done.stderr)
        for point in self.results()["points"]:
            self.assertIsNone(point["system_calls"])
            self.assertIsNone(point["system_calls_per_request"])

    def test_an_interrupted_run_is_gone_on_with(self):
        options = ("--models", "epoll,poll", "--architectures", "loop", "--connections", "2",
                   "--rounds", 9, "--size", 4321)
        process = subprocess.Popen([POLYIO, *lab(self.folder, *options)], text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_until(self.file.exists, "the first round")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, said)
        self.assertIn("--resume goes on", said)
        self.assertEqual(processes_with("4321"), [])
        before = self.results()
        self.check_form(before)
        self.assertEqual((before["complete"], before["finished"]), (False, None))

        self.refused_as_it_is(options)
        self.done(*options, "--resume")
        after = self.results()
        self.check_form(after)
        self.assertTrue(after["complete"])
        self.assertEqual(after["started"], before["started"])
        for old, new in zip(before["points"], after["points"]):
            self.assertEqual([one["round"] for one in new["runs"]], list(range(1, 10)))
            self.assertEqual(new["runs"][:len(old["runs"])], old["runs"])
        # Nothing is left to do.
        self.done(*options, "--resume")
        self.assertEqual(self.results(), after)

    def refused_as_it_is(self, options):
        text = self.file.read_text()
        self.assertIn("--resume goes on with it", self.done(*options, code=1).stderr)
        other = [6543 if option == 4321 else option for option in options]
        self.assertIn("measured with other options: polyio lab run",
                      self.done(*other, "--resume", code=1).stderr)
        self.file.write_text(text.replace('"schema": 1', '"schema": 7'))
        self.assertIn("schema 1", self.done(*options, "--resume", code=1).stderr)
        self.file.write_text(text[:-100])
        self.assertIn("can't go on", self.done(*options, "--resume", code=1).stderr)
        self.file.write_text(text)

    def test_kill_leaves_no_process(self):
        process = subprocess.Popen([POLYIO, *lab(
            self.folder, "--models", "epoll", "--architectures", "prefork", "--connections", 2,
            "--rounds", 1000, "--size", 4322)], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        wait_until(lambda: len(processes_with("4322")) > 1, "a server")
        process.kill()
        process.wait()
        wait_until(lambda: processes_with("4322") == [], "the end of all")

    def test_a_ceiling_of_the_model_is_its_reason(self):
        self.done("--models", "select", "--architectures", "loop", "--connections", "1,1500",
                  "--rounds", 1)
        few, many = self.results()["points"]
        self.assertNotIn("error", few["runs"][0])
        self.assertEqual(many["left_out"], "its descriptor is too large for select(2)")

    def test_memory_and_accepting_are_measured_where_they_can_be(self):
        self.done("--models", "epoll", "--architectures", "loop", "--connections", "1,100",
                  "--rounds", 1)
        one, hundred = (point["runs"][0] for point in self.results()["points"])
        self.assertIsNone(one["memory_bytes_per_connection"])
        self.assertIsNone(one["accepts_per_second"])
        self.assertGreater(hundred["memory_bytes_per_connection"], 0)
        self.assertGreater(hundred["accepts_per_second"], 0)

    def test_a_terminal_has_one_line_that_is_redrawn(self):
        with Terminal() as terminal:
            terminal.start(POLYIO, *lab(self.folder, "--models", "epoll", "--architectures", "loop",
                                        "--connections", 1, "--rounds", 2))
            terminal.expect(b"\r\x1b[Kround 1 of 2, 1 of 1: epoll, loop, 1 connection; ")
            terminal.expect(b"\r\x1b[Kround 2 of 2")
            self.assertEqual(terminal.wait(), 0)

    def test_what_can_not_be_is_refused(self):
        many = ",".join(map(str, range(1, 40)))
        for options, code, reason in (
                (("--models", "epol"), 1, "no model"),
                (("--architectures", "circle"), 1, "no architecture"),
                (("--models", "blocking", "--architectures", "loop"), 1, "nothing of that"),
                (("--handler", "sleep:5"), 1, "sleep:5ms"),
                (("--resume",), 1, "there is no"),
                (("--connections", "0"), 2, "--connections"),
                (("--connections", "1,x"), 2, "--connections"),
                (("--size", many, "--depth", many), 1, "combinations"),
                (("--rounds", "-1"), 2, "--rounds")):
            with self.subTest(options=options):
                self.assertIn(reason, self.done(*options, code=code).stderr)
        self.assertIn("--out is required", run("lab", "run", text=True).stderr)


class Compare(LabCase):
    def compare(self, *arguments):
        return run("lab", "compare", *map(str, arguments), text=True)

    def test_what_differs_is_said(self):
        self.done("--models", "epoll", "--architectures", "loop", "--connections", 1, "--rounds", 3)
        same = self.compare(self.file, self.file)
        self.assertEqual((same.returncode, same.stderr), (0, ""))
        self.assertIn("0 of 1 points differ", same.stdout)

        results = self.results()
        for one in results["points"][0]["runs"]:
            one["cpu_us"] *= 1e6
        results["machine"]["kernel"] = "Linux \x1b[2J"
        other, data = self.folder / "other.json", self.folder / "data.json"
        other.write_text(json.dumps(results))
        done = self.compare(self.file, other, "--json", data)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("1 of 1 points differ", done.stdout)
        self.assertIn("Linux \\x1B[2J", done.stdout)
        self.assertNotIn("\x1b", done.stdout)
        point, = json.loads(data.read_text())["figures"]["cpu_us"]["points"]
        self.assertEqual((point["model"], point["b_is"]), ("epoll", "worse"))

        again = self.compare(self.file, other, "--json", self.file)
        self.assertEqual(again.returncode, 2)
        self.assertIn("is there already", again.stderr)

    def test_what_is_no_result_is_refused_in_one_line(self):
        self.folder.mkdir()
        for text in ("", "{}", '{"schema": 2}', "[" * 100_000, "\x1b[2J"):
            self.file.write_text(text)
            done = self.compare(self.file, self.file)
            self.assertEqual(done.returncode, 2)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
            self.assertIn("can't compare", done.stderr)
        for path in (self.folder, self.folder / "missing", "/dev/zero"):
            done = self.compare(path, path)
            self.assertEqual(done.returncode, 2)
            self.assertIn("can't read", done.stderr)


class Handlers(TestCase):
    def load(self, handler, *options, size=64):
        size = ("--size", str(size))
        with Server("lab serve", "--model", "epoll", "--handler", handler, *size) as server:
            done = run("lab", "load", "echo", "--server", server.address, "--pid", str(server.pid),
                       "--warmup", "0", *size, *options, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_a_fixed_delay_is_seen(self):
        found = self.load("sleep:20ms", "--connections", "4", "--requests", "20")
        self.assertEqual(found["bytes_checked"], 20 * 64)
        self.assertGreaterEqual(found["latency_us"]["p50"], 20_000)

    def test_a_delay_for_each_message_of_a_piece(self):
        found = self.load("sleep:20ms", "--connections", "1", "--depth", "4", "--requests", "4")
        self.assertGreaterEqual(found["latency_us"]["max"], 80_000)

    def test_computing_is_the_servers_time(self):
        found = self.load("cpu:5ms", "--connections", "2", "--requests", "20")
        self.assertGreaterEqual(found["cpu_us_per_operation"], 5000)

    def test_offloaded_computing_is_the_servers_time_too(self):
        found = self.load("offload:5ms", "--connections", "2", "--requests", "20")
        self.assertGreaterEqual(found["cpu_us_per_operation"], 5000)

    def test_a_share_of_the_messages_has_work(self):
        # The 100th is not asked for; each message of the load's greeting counts.
        found = self.load("sleep:60s/100", "--connections", "9", "--requests", "90")
        self.assertEqual(found["bytes_checked"], 90 * 64)
        found = self.load("cpu:20ms/10", "--connections", "1", "--requests", "20")
        self.assertGreaterEqual(found["cpu_us_per_operation"], 2000)

    def test_a_pause_between_polls_is_handed_on(self):
        refused = run("lab", "serve", "--model", "epoll", "--poll-interval", "5ms", text=True)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("poll", refused.stderr)
        refused = run("lab", "serve", "--model", "epoll", "--poll-interval", "5", text=True)
        self.assertEqual(refused.returncode, 2)

    def test_its_console_changes_the_model(self):
        with Server("lab serve", "--model", "epoll", "--console", stdin=subprocess.PIPE) as server:
            for line, said in ((b"model poll", b"model poll, after epoll: 0 connections, "),
                               (b"model", b"model poll\n"), (b"model x", b"unknown model x")):
                server.process.stdin.write(line + b"\n")
                self.assertIn(said, server.process.stdout.readline())

    def test_every_byte_of_large_messages_is_answered(self):
        found = self.load("cpu:1ms", "--connections", "2", "--requests", "3", size=300_000)
        self.assertEqual(found["bytes_checked"], 3 * 300_000)


if __name__ == "__main__":
    main()
