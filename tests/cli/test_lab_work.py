"""`polyio lab work`: the form of what each kind prints, and facts that hold however busy the
machine is: what was counted, what ran after what, processor time that was used at least.
"""
import json
import os
import resource
import shutil
import subprocess
import tempfile
from pathlib import Path

from harness import POLYIO, TestCase, main, run

SPANS = ("turnaround", "waiting", "response")


def work(*arguments):
    done = run("lab", "work", *map(str, arguments), text=True)
    assert (done.returncode, done.stderr) == (0, ""), done
    assert done.stdout.count("\n") == 1, done.stdout
    return json.loads(done.stdout)


class Work(TestCase):
    def test_tasks_that_wait(self):
        figures = work("parallel", "--kind", "io", "--tasks", 3, "--span", 5)
        ways = ("turn", "processes", "threads")
        self.assertEqual(set(figures), {"tasks"} | {
            f"{way}_{figure}" for way in ways for figure in ("s", "cpu_s", "waits", "peak")})
        self.assertEqual(figures["turn_peak"], 1)
        self.assertGreaterEqual(figures["turn_s"], 0.015)
        for way in ways:
            self.assertGreaterEqual(figures[f"{way}_s"], 0.005)
            self.assertGreaterEqual(figures[f"{way}_waits"], 3)  # each gives its core up
            self.assertIn(figures[f"{way}_peak"], (1, 2, 3))

    def test_tasks_that_compute(self):
        figures = work("parallel", "--tasks", 2, "--by", "threads,turn", "--steps", 5_000_000)
        self.assertEqual((figures["tasks"], figures["steps"]), (2, 5_000_000))
        self.assertNotIn("processes_s", figures)
        for way in ("turn", "threads"):
            self.assertGreater(figures[f"{way}_cpu_s"], 0.001)
        self.assertGreater(work("parallel", "--by", "turn", "--span", 1)["steps"], 0)

    def test_processes_count_as_the_threads_do(self):
        figures = work("parallel", "--tasks", 3, "--by", "processes", "--steps", 5_000_000)
        self.assertGreater(figures["processes_cpu_s"], 0.001)  # of children, too

    def test_switching(self):
        figures = work("switching", "--tasks", 4, "--span", 1, "--steps", 1000, "--every", 100)
        self.assertEqual(set(figures), {
            "tasks", "steps", "waits_turn_s", "waits_at_once_s", "waits_peak", "computing_cpu_s",
            "switching_cpu_s", "switches", "switch_ns"})
        self.assertEqual(figures["switches"], 40)
        self.assertGreaterEqual(figures["waits_turn_s"], 0.004)
        self.assertIn(figures["waits_peak"], range(1, 5))

    def test_starting(self):
        figures = work("starting", "--times", 20)
        self.assertEqual(set(figures), {"thread_us", "fork_us", "spawn_us", "coroutine_us"})
        for name, us in figures.items():
            self.assertGreater(us, 0, name)

    def test_burning(self):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = run("lab", "work", "burn", "60", "1", "60", text=True)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = sum(getattr(after, name) - getattr(before, name)
                   for name in ("ru_utime", "ru_stime"))
        self.assertGreater(used, 0.118)


class Scheduling(TestCase):
    def test_jobs_run_after_each_other_under_fcfs(self):
        figures = work("scheduling", "a:0:30", "b:0:30:10:30")
        self.assertEqual(set(figures), {
            prefix + name for prefix in ("", "simulated_")
            for name in [*(f"{job}{span}_ms" for job in ("a_", "b_", "") for span in SPANS),
                         "end_ms", "given_ms", "computed_ms", "lost_ms", "switches"]})
        self.assertGreaterEqual(figures["b_response_ms"], figures["a_turnaround_ms"])
        self.assertGreaterEqual(figures["computed_ms"], 89)
        self.assertGreaterEqual(figures["end_ms"], figures["computed_ms"])
        self.assertGreaterEqual(figures["switches"], 1)

    def test_round_robin_switches_before_the_end_and_sjf_does_not(self):
        jobs = ("a:0:200", "b:0:200")
        figures = work("scheduling", "--policy", "rr", "--quantum", 10, *jobs)
        self.assertGreater(figures["switches"], 2)
        self.assertLess(figures["b_response_ms"], figures["a_turnaround_ms"])
        figures = work("scheduling", "--policy", "sjf", "a:0:200", "b:0:100")
        self.assertGreaterEqual(figures["a_response_ms"], figures["b_turnaround_ms"])

    def test_what_ends_a_job_badly_is_said(self):
        done = run("lab", "work", "scheduling", "--policy", "no-such", "a:0:10", text=True)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("polyio lab work scheduling: polyio sched run ended with code 2", done.stderr)


class Refused(TestCase):
    def test_is_what_makes_no_sense(self):
        for code, said, arguments in (
                (1, "is no job: NAME:ARRIVAL:BURST", ("scheduling", "a:0")),
                (2, "jobs is required", ("scheduling",)),
                (2, "give one more", ("burn", "1", "2")),
                (2, "--kind", ("parallel", "--kind", "both")),
                (2, "--by", ("parallel", "--by", "fibers")),
                (2, "--tasks", ("parallel", "--tasks", "0")),
                (2, "--every", ("switching", "--every", "0")),
                (2, "subcommand", ())):
            with self.subTest(arguments=arguments):
                done = run("lab", "work", *arguments, text=True)
                self.assertEqual((done.returncode, done.stdout), (code, ""))
                self.assertIn(said, done.stderr)

    def test_help_has_an_example(self):
        for kind in ((), ("parallel",), ("switching",), ("starting",), ("scheduling",), ("burn",)):
            done = run("lab", "work", *kind, "--help", text=True)
            self.assertEqual(done.returncode, 0)
            self.assertIn("Example", done.stdout)
            self.assertIn(" ".join(("polyio lab work", *kind)), done.stdout)


class WorkTrials(TestCase):
    """The trials of claims, end to end: none fails, and Python's are among them."""

    def test_give_the_figures_that_are_judged(self):
        names = ("threads-use-all-cores", "python-threads-take-turns", "threads-are-lighter",
                 "switching-costs-computing", "fcfs-hurts-short-jobs")
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out"
            done = subprocess.run(
                [POLYIO, "lab", "claims", *names, "--rounds", "2", "--seconds", "0.02", "--out",
                 str(out)], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
            self.assertEqual(done.returncode, 0, done.stderr)
            written = json.loads((out / "claims.json").read_text())
        trials = written["evidence"]["trials"]
        for trial in trials:
            for one in trial["runs"]:
                self.assertNotIn("error", one, trial["name"])
        python = [trial for trial in trials if "Python" in trial["name"]]
        self.assertEqual(bool(python), bool(shutil.which("python3")))
        for trial in python:
            for one in trial["runs"]:
                self.assertIn("gil", one)
                self.assertGreater(one["tasks"], 1)
        # Nothing is known of the others here: the machine may be busy.
        verdicts = {claim["name"]: claim["verdict"] for claim in written["claims"]}
        self.assertEqual(set(verdicts), set(names))
        for name in ("threads-are-lighter", "switching-costs-computing"):
            self.assertNotEqual(verdicts[name], "not measured")

    def test_without_python_are_ours_alone(self):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out"
            done = run("lab", "claims", "switching-helps-waits", "--rounds", "1", "--seconds",
                       "0.02", "--out", str(out), text=True, env={**os.environ, "PATH": folder})
            self.assertEqual(done.returncode, 0, done.stderr)
            written = json.loads((out / "claims.json").read_text())
        self.assertEqual([trial["name"] for trial in written["evidence"]["trials"]],
                         ["coroutines"])
        self.assertIn("There is no python3 here.", written["claims"][0]["text"])


if __name__ == "__main__":
    main()
