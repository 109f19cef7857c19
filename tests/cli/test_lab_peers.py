"""`polyio lab peers`: polyio beside servers that are not its own. The one that is always there is
Python's selectors; no figure is compared with another.
"""
import json
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from harness import POLYIO, WITHOUT_LEAK_CHECK, TestCase, main

SERVERS = Path(__file__).resolve().parents[2] / "bench" / "servers"


def peers(*options, code=0):
    done = subprocess.run([POLYIO, "lab", "peers", *map(str, options)], text=True, timeout=120,
                          capture_output=True, stdin=subprocess.DEVNULL, env=WITHOUT_LEAK_CHECK)
    if done.returncode != code:
        raise AssertionError(f"{done.returncode}: {done.stderr}")
    return done


class Measured(TestCase):
    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory() as folder:
            command = ("--peers", SERVERS, "--only", "python-selectors,libuv", "--rounds", 2,
                       "--seconds", "0.05", "--connections", "1,20", "--svg", "--out", folder)
            cls.done = peers(*command)
            cls.again = peers(*command, "--resume")
            cls.results = json.loads((Path(folder) / "results.json").read_text())
            cls.report = (Path(folder) / "report.html").read_text()
            cls.figures = {file.stem: ElementTree.parse(file).getroot()
                           for file in Path(folder).glob("*.svg")}
        cls.points = {(one["model"], one["connections"]): one for one in cls.results["points"]}

    def test_the_peer_is_measured_like_polyio(self):
        self.assertTrue(self.results["complete"])
        for model, architecture in (("epoll", "loop"), ("python-selectors", "peer"),
                                    ("blocking", "thread-per-connection")):
            for connections in (1, 20):
                point = self.points[model, connections]
                self.assertEqual(point["architecture"], architecture)
                self.assertEqual([run.get("error") for run in point["runs"]], [None, None])
                self.assertGreater(point["medians"]["cpu_us"]["median"], 0)
        self.assertEqual(len(self.results["settings"]["server_cores"]), 1)

    def test_its_system_calls_are_counted(self):
        if "ptrace(2) is not allowed" in self.done.stderr:
            self.skipTest("no ptrace")
        calls = self.points["python-selectors", 1]["system_calls"]
        self.assertAlmostEqual(calls["recvfrom"], 1, delta=0.1)
        self.assertAlmostEqual(calls["sendto"], 1, delta=0.1)

    def test_what_is_missing_is_left_out_with_a_reason(self):
        self.assertIn("install libuv1-dev", self.points["libuv", 1]["left_out"])
        self.assertIn("without libuv: there is no echo_libuv", self.done.stderr)
        self.assertIn("libuv, peer: left out", self.done.stdout)

    def test_the_verdict_names_polyio_and_the_peer(self):
        verdicts = [one for one in self.results["verdicts"] if "another library" in one["question"]]
        self.assertEqual(len(verdicts), 2)
        for verdict in verdicts:
            self.assertIn("polyio (", verdict["text"])
            self.assertIn("python-selectors", verdict["text"])

    def test_resumed_nothing_is_left_to_do(self):
        self.assertNotIn("round 1", self.again.stderr)
        self.assertIn("python-selectors", self.again.stdout)

    def test_report_and_figures(self):
        self.assertIn("python-selectors", self.report)
        self.assertLessEqual({"cpu", "throughput", "p50", "p99"}, set(self.figures))
        words = [element.text for element in self.figures["cpu"].iter() if element.text]
        self.assertIn("python-selectors, peer", words)
        self.assertIn("polyio epoll, loop", words)
        self.assertNotRegex(" ".join(words), "nan|inf")


class Asked(TestCase):
    def test_the_list(self):
        lines = peers("--list", "--peers", SERVERS).stdout.splitlines()
        named = {line.split()[0]: line for line in lines}
        self.assertLessEqual({"hand-epoll", "libuv", "go", "node", "python-uvloop"}, set(named))
        self.assertRegex(named["python-selectors"], r"peer +\S*python3 \S+/echo_selectors.py$")
        self.assertIn("missing: there is no echo_libevent: install libevent-dev",
                      named["libevent"])

    def test_a_name_that_is_none(self):
        said = peers("--only", "libevnt", "--out", "x", code=1).stderr
        self.assertIn('no peer "libevnt": hand-epoll', said)

    def test_where_no_peer_is_it_says_how_to_build_them(self):
        with tempfile.TemporaryDirectory() as folder:
            said = peers("--peers", folder, "--out", folder, code=1).stderr
            self.assertEqual(list(Path(folder).iterdir()), [])
        self.assertIn("bench/peers builds them", said)
        self.assertIn("-DPOLYIO_BENCH=ON", said)

    def test_without_out(self):
        self.assertIn("--out DIR is needed", peers("--peers", SERVERS, code=1).stderr)


class Calls(TestCase):
    def calls(self, *arguments, code=0):
        done = subprocess.run([POLYIO, "lab", "calls", *map(str, arguments)], text=True,
                              capture_output=True, timeout=120, stdin=subprocess.DEVNULL,
                              env=WITHOUT_LEAK_CHECK)
        if code == 0 and "ptrace(2) is not allowed" in done.stderr:
            self.skipTest(done.stderr)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def test_of_any_server(self):
        done = self.calls("--connections", 3, "--requests", 30, "--", "/usr/bin/env", "python3",
                          SERVERS / "echo_selectors.py")
        self.assertAlmostEqual(json.loads(done.stdout)["system_calls"]["recvfrom"], 1, delta=0.1)

    def test_of_none(self):
        self.assertIn("either --model", self.calls(code=1).stderr)
        self.assertIn("the server does not start", self.calls("--", "/bin/false", code=1).stderr)


if __name__ == "__main__":
    main()
