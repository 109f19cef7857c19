"""`polyio lab trace`: what the models are said to do in the two phases is recorded of them. No
figure is compared with the clock, only the order of times.
"""
import json
import os
import re
import signal
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from harness import POLYIO, TestCase, main, models, run, wait_until

RECEIVES = ("read", "readv", "pread64", "recvfrom", "recvmsg")
WAITS = {"select": ("pselect6", "select"), "poll": ("ppoll", "poll"),
         "epoll": ("epoll_pwait2", "epoll_pwait", "epoll_wait"), "sigio": ("rt_sigtimedwait",)}


def trace(*options, code=0, prefix=()):
    done = subprocess.run([*prefix, POLYIO, "lab", "trace", *map(str, options)], text=True,
                          capture_output=True, timeout=120, stdin=subprocess.DEVNULL)
    if code == 0 and "ptrace(2) is not allowed" in done.stderr:
        raise unittest.SkipTest(done.stderr)
    if done.returncode != code:
        raise AssertionError(f"{done.returncode}: {done.stderr}")
    return done


class Recorded(TestCase):
    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory() as folder:
            file, svg = Path(folder) / "t.json", Path(folder) / "t.svg"
            cls.text = trace("--model", "all", "--requests", 3, "--wait", 50,
                             "--json", file, "--svg", svg).stdout
            document = json.loads(file.read_text())
            cls.figure = svg.read_text()
        cls.document = document
        cls.traces = {one["model"]: one for one in document["trace"]["models"]}

    def test_every_model_of_this_system(self):
        self.assertEqual(self.document["schema"], 1)
        for entry in models():
            self.assertEqual(entry["model"] in self.traces, not entry["emulated"])
            if entry["available"]:
                self.assertNotIn("left_out", self.traces[entry["model"]])

    def each(self):
        return [(model, one) for model, one in self.traces.items() if "left_out" not in one]

    def test_times_are_in_order(self):
        for model, one in self.each():
            times = one["times_us"]
            self.assertLess(times["begin"], -50_000)
            order = [times[name] for name in ("begin", "sending", "data", "copy_begin", "copied",
                                              "handler", "answering", "answered")]
            self.assertEqual(order, sorted(order), model)
            begins = [call["begin_us"] for call in one["calls"]]
            self.assertEqual(begins, sorted(begins))
            for call in one["calls"]:
                if call["end_us"] is not None:
                    self.assertLessEqual(call["begin_us"], call["end_us"])
            self.assertGreater(one["untraced_us"]["handler"], 0)
            self.assertGreaterEqual(one["untraced_us"]["answer"], one["untraced_us"]["handler"])

    def copying(self, one):
        """The calls of the process that brought the bytes."""
        return [call for call in one["calls"]
                if call["name"] in RECEIVES and call.get("bytes") and call["end_us"] is not None]

    def test_blocking_waits_in_the_call_that_copies(self):
        one = self.traces["blocking"]
        self.assertEqual((one["wait"]["is"], one["posix"]), ("same-call", "synchronous"))
        call, = self.copying(one)
        self.assertLess(call["begin_us"], one["times_us"]["sending"])
        self.assertEqual(call["bytes"], 64)

    def test_readiness_models_wait_in_one_call_and_copy_in_another(self):
        for model, names in WAITS.items():
            with self.subTest(model=model):
                one = self.traces[model]
                self.assertEqual((one["wait"]["is"], one["posix"]), ("other-call", "synchronous"))
                self.assertIn(one["wait"]["call"], names)
                call, = self.copying(one)
                self.assertGreaterEqual(call["begin_us"], one["times_us"]["data"])
                self.assertEqual(call["thread"], one["handlers_thread"])

    def test_nonblocking_asks_in_vain(self):
        one = self.traces["nonblocking"]
        self.assertEqual((one["wait"]["is"], one["posix"]), ("asking", "synchronous"))
        self.assertGreater(one["wait"]["asked_in_vain"], 1)

    def test_posix_aio_copies_in_another_thread(self):
        one = self.traces["posix-aio"]
        if "left_out" in one:
            self.skipTest(one["left_out"])
        self.assertEqual((one["copy"]["by"], one["posix"]), ("other-thread", "asynchronous"))
        call, = self.copying(one)
        self.assertNotEqual(call["thread"], one["handlers_thread"])
        self.assertLess(call["begin_us"], one["times_us"]["sending"])

    def test_io_uring_makes_no_receive_call(self):
        one = self.traces["io_uring"]
        if "left_out" in one:
            self.skipTest(one["left_out"])
        self.assertEqual((one["copy"]["by"], one["posix"]), ("kernel", "asynchronous"))
        self.assertEqual({call["name"] for call in one["calls"]} & set(RECEIVES), set())

    def test_the_text_fits_a_terminal(self):
        self.assertTrue(self.text.isascii())
        self.assertLessEqual(max(map(len, self.text.splitlines())), 80)
        for model, one in self.each():
            self.assertRegex(self.text, rf"(?m)^{model}, {one['architecture']}$")
        self.assertIn("a call that does nothing takes", re.sub(r"\s+", " ", self.text))

    def test_the_figure_has_a_band_for_each(self):
        root = ElementTree.fromstring(self.figure)
        words = [element.text for element in root.iter() if element.text]
        for model, _ in self.each():
            self.assertIn(model, words)


class OtherCalls(TestCase):
    ORDER = ("begin", "sending", "data", "copy_begin", "copied", "handler", "answering", "answered")

    @classmethod
    def setUpClass(cls):
        text = trace("--model", "all", "--call", "accept,send,recvfrom,sendto", "--requests", 2,
                     "--json", "-").stdout
        text_of_connect = trace("--model", "blocking,epoll,io_uring", "--call", "connect",
                                "--json", "-").stdout
        cls.traces = {}
        for document in (json.loads(text), json.loads(text_of_connect)):
            for one in document["trace"]["models"]:
                cls.traces[one["call"], one["model"]] = one

    def each(self, call=None):
        return [(key, one) for key, one in self.traces.items()
                if "left_out" not in one and call in (None, key[0])]

    def test_every_model_of_this_system_and_times_in_order(self):
        for call in ("accept", "send", "recvfrom", "sendto"):
            for entry in models():
                self.assertEqual((call, entry["model"]) in self.traces, not entry["emulated"])
        for key, one in self.each():
            times = [one["times_us"][name] for name in self.ORDER]
            self.assertEqual(times, sorted(times), key)
            self.assertEqual(one["untraced_us"] is None, key[0] == "connect")

    def test_blocking_waits_in_the_call_itself(self):
        for call, names in (("accept", ("accept", "accept4")), ("send", ("sendto", "sendmsg")),
                            ("recvfrom", ("recvfrom", "recvmsg")), ("connect", ("connect",))):
            with self.subTest(call=call):
                one = self.traces[call, "blocking"]
                self.assertEqual((one["wait"]["is"], one["posix"]), ("same-call", "synchronous"))
                self.assertIn(one["copy"]["call"], names)

    def test_readiness_models_wait_in_one_call_and_go_on_in_another(self):
        for call in ("accept", "send", "recvfrom"):
            for model, names in WAITS.items():
                with self.subTest(call=call, model=model):
                    one = self.traces[call, model]
                    self.assertEqual((one["wait"]["is"], one["posix"]),
                                     ("other-call", "synchronous"))
                    self.assertIn(one["wait"]["call"], names)
                    self.assertGreaterEqual(one["times_us"]["copy_begin"], 0)
        one = self.traces["connect", "epoll"]
        self.assertEqual(one["wait"]["is"], "other-call")
        self.assertIn(one["wait"]["call"], WAITS["epoll"])

    def test_nonblocking_asks_in_vain(self):
        for call in ("accept", "send", "recvfrom"):
            one = self.traces[call, "nonblocking"]
            self.assertEqual(one["wait"]["is"], "asking", call)

    def test_a_datagram_that_is_sent_need_not_wait(self):
        for key, one in self.each("sendto"):
            self.assertEqual(one["wait"]["is"], "none", key)
            self.assertIn("need not wait", one["sentence"])

    def test_the_connection_waits_for_the_listener(self):
        for _, one in self.each("connect"):
            self.assertLess(one["times_us"]["begin"], -20_000)

    def test_io_uring_makes_no_call_of_its_own(self):
        for call in ("accept", "send", "recvfrom", "connect", "sendto"):
            one = self.traces[call, "io_uring"]
            if "left_out" not in one:
                self.assertEqual((one["copy"]["by"], one["posix"]), ("kernel", "asynchronous"),
                                 call)

    def test_text_and_figure(self):
        with tempfile.TemporaryDirectory() as folder:
            svg = Path(folder) / "t.svg"
            text = trace("--model", "epoll,poll", "--call", "accept,sendto", "--requests", 1,
                         "--svg", svg).stdout
            words = [element.text for element in ElementTree.parse(svg).iter() if element.text]
        self.assertTrue(text.isascii())
        self.assertLessEqual(max(map(len, text.splitlines())), 80)
        for heading in ("accept: a client connects", "sendto: a datagram of 64 bytes is sent"):
            self.assertIn(heading, text)
            self.assertIn(heading, words)

    def test_a_call_that_is_none(self):
        self.assertIn("listen not in", trace("--model", "epoll", "--call", "listen", code=2).stderr)


class Report(TestCase):
    def test_the_folder_has_the_trace_and_a_report(self):
        with tempfile.TemporaryDirectory() as folder:
            trace("--model", "epoll", "--requests", 1, "--out", Path(folder) / "new")
            document = json.loads((Path(folder) / "new/trace.json").read_text())
            report = (Path(folder) / "new/report.html").read_text()
        self.assertEqual(document["trace"]["models"][0]["model"], "epoll")
        ElementTree.fromstring(document["svg"])
        self.assertIn(r"\u003csvg xmlns", report)


class Ends(TestCase):
    def servers_of(self, pid):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(child) for child in children]

    def started(self):
        """A trace whose server answers messages, and the server's pid."""
        trace("--model", "epoll", "--requests", 1, "--wait", 1)  # or skips
        process = subprocess.Popen(
            [POLYIO, "lab", "trace", "--model", "epoll", "--requests", "1000", "--wait", "1000"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process, wait_until(lambda: self.servers_of(process.pid), "its server")[0]

    def test_ctrl_c_ends_it_and_its_server(self):
        process, server = self.started()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, said)
        self.assertFalse(os.path.exists(f"/proc/{server}"))

    def test_a_server_that_dies(self):
        process, server = self.started()
        # It has become the program.
        wait_until(lambda: b"--marks" in Path(f"/proc/{server}/cmdline").read_bytes(), "the server")
        os.kill(server, signal.SIGKILL)
        _, said = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 1)
        self.assertRegex(said, "the server has (ended|closed)|refused")

    def test_ptrace_is_not_allowed(self):
        try:
            done = trace("--model", "epoll", code=1, prefix=("strace", "-f", "-qq", "-o",
                                                             "/dev/null", "-e", "trace=none"))
        except FileNotFoundError:
            self.skipTest("there is no strace")
        self.assertIn("--cap-add SYS_PTRACE", done.stderr)

    def test_models_that_are_not_here(self):
        self.assertIn("of macOS and the BSDs", re.sub(
            r"\s+", " ", trace("--model", "kqueue", code=1).stdout))
        self.assertIn("no memory that is shared",
                      run("lab", "serve", "--model", "epoll", "--marks", "99", text=True).stderr)
        self.assertIn("no model epol:", trace("--model", "epol", code=1).stderr)
        trace("--model", "epoll", "--wait", "0", code=2)


if __name__ == "__main__":
    main()
