"""`polyio sched simulate`: tables worked by hand, a second simulator that goes tick by tick, what
it refuses, and the commands of docs/scheduling.md."""
import json
import os
import random
import subprocess
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from harness import DEADLINE, POLYIO, TestCase, main, run
from test_examples import ROOT, examples

CONVOY = "A 0 24\nB 0 3\nC 0 3\n"
FOUR = "A 0 8\nB 1 4\nC 2 9\nD 3 5\n"


def simulate(jobs, *options):
    return run("sched", "simulate", "--jobs", "-", *options, input=jobs, text=True)


def simulated(jobs, *options):
    done = simulate(jobs, "--json", *options)
    assert (done.returncode, done.stderr) == (0, ""), done
    return json.loads(done.stdout)


def timeline(jobs, *options):
    """As "A0-2 B2-5"."""
    return " ".join(f"{name}{begin}-{end}"
                    for name, begin, end in simulated(jobs, *options)["timeline"])


class Job:
    def __init__(self, name, arrival, bursts):
        self.name, self.arrival, self.bursts = name, arrival, bursts
        self.wakes, self.left, self.level, self.used = arrival, list(bursts), 0, 0


def ticked(jobs, policy, quantum, preemptive=False, boost=0, levels=3):
    """The timeline, by the rules of docs/scheduling.md, one unit of time after the other."""
    ranked = sorted(jobs, key=lambda job: job.arrival)  # stable: by the list where equal
    ready = [[] for _ in range(levels)]
    running = expired = None
    lines, now = [], 0

    def shortest():
        return min(ready[0], key=lambda job: (job.left[0], ranked.index(job)))

    def gives_way():
        if policy == "mlfq":
            return any(ready[:running.level])
        return preemptive and bool(ready[0]) and shortest().left[0] < running.left[0]

    while any(job.left for job in jobs):
        for job in ranked:
            if job.left and job.wakes == now:
                job.wakes, job.used = None, 0
                ready[job.level].append(job)
        if running and gives_way():
            ready[running.level].append(running)
            running = None
        if expired:
            expired.level = min(expired.level + 1, levels - 1) if policy == "mlfq" else 0
            expired.used = 0
            ready[expired.level].append(expired)
            expired = None
        if boost and now and now % boost == 0:
            ready = [sum(ready, [])] + [[] for _ in range(levels - 1)]
            for job in jobs:
                if job.wakes is None:
                    job.level = job.used = 0
        queue = next((queue for queue in ready if queue), None)
        if not running and queue:
            running = shortest() if policy == "sjf" else queue[0]
            queue.remove(running)
        now += 1
        if not running:
            continue
        if lines and lines[-1][0] == running.name and lines[-1][2] == now - 1:
            lines[-1][2] = now
        else:
            lines.append([running.name, now - 1, now])
        running.left[0] -= 1
        running.used += 1
        if running.left[0] == 0:
            if len(running.left) > 1:
                running.wakes = now + running.left[1]
            running.left = running.left[2:]
            running = None
        elif policy in ("rr", "mlfq") and running.used == quantum << running.level:
            running, expired = None, running
    return lines


class Tables(TestCase):
    """From textbooks, worked by hand."""

    def is_table(self, jobs, options, trace, waiting, turnaround):
        self.assertEqual(timeline(jobs, *options), trace)
        averages = simulated(jobs, *options)["averages"]
        self.assertEqual((averages["waiting"], averages["turnaround"]), (waiting, turnaround))

    def test_fcfs(self):
        self.is_table(CONVOY, [], "A0-24 B24-27 C27-30", 17, 27)
        self.is_table("B 0 3\nC 0 3\nA 0 24\n", [], "B0-3 C3-6 A6-30", 3, 13)

    def test_sjf(self):
        self.is_table("A 0 6\nB 0 8\nC 0 7\nD 0 3\n", ["--policy", "sjf"],
                      "D0-3 A3-9 C9-16 B16-24", 7, 13)
        self.is_table(FOUR, ["--policy", "sjf"], "A0-8 B8-12 D12-17 C17-26", 7.75, 14.25)
        self.is_table(FOUR, ["--policy", "sjf", "--preemptive"],
                      "A0-1 B1-5 D5-10 A10-17 C17-26", 6.5, 13)

    def test_round_robin(self):
        self.is_table(CONVOY, ["--policy", "rr", "--quantum", "4"],
                      "A0-4 B4-7 C7-10 A10-30", 17 / 3, 47 / 3)
        # 12 for 3 jobs: 4 for each.
        self.assertEqual(timeline(CONVOY, "--policy", "rr", "--response", "12"),
                         "A0-4 B4-7 C7-10 A10-30")
        # One comes back from its I/O, one as new, one because its quantum was used up: A, C, B.
        self.assertEqual(timeline("A 0 1 1 2\nB 0 4\nC 2 1\n", "--policy", "rr", "--quantum", "2"),
                         "A0-1 B1-3 A3-5 C5-6 B6-8")

    def test_mlfq(self):
        options = ["--policy", "mlfq", "--quantum", "2"]
        self.is_table("A 0 20\nB 0 3\n", options, "A0-2 B2-4 A4-8 B8-9 A9-23", 4.5, 16)
        # A is pre-empted at 3, after 1 of its 4 at level 1, and has the 3 left when it goes on.
        self.assertEqual(timeline("A 0 8\nB 3 1\nC 4 5\n", *options),
                         "A0-3 B3-4 C4-6 A6-9 C9-12 A12-14")
        # The last level is round robin.
        self.assertEqual(timeline("A 0 9\nB 0 9\n", *options, "--levels", "2"),
                         "A0-2 B2-4 A4-8 B8-12 A12-15 B15-18")
        self.assertEqual(timeline("A 0 6\nB 0 6\nC 4 3\n", "--policy", "mlfq", "--quantum", "3",
                                  "--boost", "3"), "A0-3 B3-6 A6-9 C9-12 B12-15")

    def test_queues_by_cause(self):
        jobs = "A 0 6\nB 0 1 1 3\nC 0 2\n"
        queues = ["--queue", "created=1:2", "--queue", "unblocked=0:4", "--queue", "expired=2:2"]
        self.assertEqual(timeline(jobs, "--policy", "by-cause", *queues),
                         "A0-2 B2-3 C3-5 B5-8 A8-12")
        queues[3] = "unblocked=3:4"
        self.assertEqual(timeline(jobs, "--policy", "by-cause", *queues),
                         "A0-2 B2-3 C3-5 A5-9 B9-12")

    def test_a_job_that_keeps_the_processor(self):
        self.assertEqual(timeline("A! 0 6\nB 1 4\nC 1 3\n", "--policy", "rr"),
                         "A0-6 B6-8 C8-10 B10-12 C12-13")

    def test_each_number_of_a_job(self):
        result = simulated("A 0 2 3 2\nB 1 4\n")
        self.assertEqual(result, {
            "timeline": [["A", 0, 2], ["B", 2, 6], ["A", 6, 8]],
            "jobs": [{"name": "A", "arrival": 0, "burst": 4, "start": 0, "finish": 8,
                      "turnaround": 8, "waiting": 1, "response": 0},
                     {"name": "B", "arrival": 1, "burst": 4, "start": 2, "finish": 6,
                      "turnaround": 5, "waiting": 1, "response": 1}],
            "averages": {"turnaround": 6.5, "waiting": 1, "response": 0.5}})


class Traces(TestCase):
    def test_are_those_of_a_second_simulator(self):
        rng = random.Random(11)
        for _ in range(60):
            jobs = [(name, rng.randrange(12),
                     [rng.randint(1, 9) for _ in range(rng.choice([1, 3]))])
                    for name in "ABCDE"[:rng.randint(1, 5)]]
            text = "".join(f"{name} {arrival} {' '.join(map(str, bursts))}\n"
                           for name, arrival, bursts in jobs)
            quantum, boost = rng.randint(1, 4), rng.choice([0, rng.randint(3, 9)])
            for policy, preemptive in (("fcfs", False), ("sjf", False), ("sjf", True),
                                       ("rr", False), ("mlfq", False)):
                options = ["--policy", policy, "--quantum", str(quantum)]
                options += ["--preemptive"] if preemptive else []
                options += ["--boost", str(boost)] if boost else []
                with self.subTest(jobs=text, options=options):
                    expected = ticked([Job(*job) for job in jobs], policy, quantum, preemptive,
                                      boost if policy == "mlfq" else 0)
                    self.assertEqual(simulated(text, *options)["timeline"], expected)


class Output(TestCase):
    def test_chart_and_table(self):
        done = simulate("A 0 8\nB 1 4\nC 2 1 5 1\n", "--policy", "mlfq")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout.splitlines()[:5], [
            "mlfq, 3 levels, quantum 2",
            "A   ##...####...##",
            "B    .##.....#.#",
            "C     ..#-----#",
            "    0           14"])
        self.assertEqual(done.stdout.splitlines()[-2:], [
            "average" + " " * 46 + "11.33      5.00      1.00",
            "7 switches, idle for 0 of 14"])

    def test_a_chart_fits_into_80_columns(self):
        done = simulate("A 0 1000000\nB 5 70 3 900\n")
        self.assertLessEqual(max(map(len, done.stdout.splitlines())), 80)

    def test_compare_shows_all_policies_with_their_averages(self):
        done = simulate(FOUR, "--compare")
        rows = done.stdout.splitlines()[-6:]
        self.assertEqual([row[:27].strip() for row in rows],
                         ["fcfs", "sjf", "sjf, preemptive", "rr, quantum 2",
                          "mlfq, 3 levels, quantum 2", "by-cause"])
        self.assertEqual([row.split()[-4] for row in rows[:3]], ["8.75", "7.75", "6.50"])
        listed = simulated(FOUR, "--compare")["policies"]
        self.assertEqual([one["policy"] for one in listed], [row[:27].strip() for row in rows])
        for one, policy in zip(listed, (["fcfs"], ["sjf"], ["sjf", "--preemptive"], ["rr"],
                                        ["mlfq"], ["by-cause"])):
            alone = simulated(FOUR, "--policy", *policy)
            self.assertEqual({key: one[key] for key in alone}, alone)

    def test_the_picture_has_a_bar_for_each_turn(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "a.svg")
            done = simulate("<A>&\"' 0 8\nB 1 4\n", "--policy", "rr", "--svg", path)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            root = ElementTree.parse(path).getroot()
        space = "{http://www.w3.org/2000/svg}"
        self.assertIn("<A>&\"'", [text.text for text in root.iter(space + "text")])
        turns = [bar for bar in root.iter(space + "rect") if bar.get("fill") == "#2a6fb0"]
        same = simulated("A 0 8\nB 1 4\n", "--policy", "rr")
        self.assertEqual(len(turns), len(same["timeline"]))
        done = simulate("A 0 1\n", "--svg", "/nowhere/a.svg")
        self.assertEqual((done.returncode, done.stderr),
                         (1, "polyio sched simulate: can't write /nowhere/a.svg\n"))

    def test_reads_a_file(self):
        with tempfile.NamedTemporaryFile("w", suffix=".jobs") as file:
            file.write("# name arrival burst\n\n  A\t0 3 \r\nB 0 1")
            file.flush()
            done = run("sched", "simulate", "--jobs", file.name, "--json", text=True)
        self.assertEqual(json.loads(done.stdout)["timeline"], [["A", 0, 3], ["B", 3, 4]])

    def test_help_has_an_example_that_runs(self):
        said = run("sched", "simulate", "--help", text=True).stdout
        example = said[said.index("Example:") + 9:].strip()
        path = f"{os.path.dirname(POLYIO)}:{os.environ['PATH']}"
        done = subprocess.run(["bash", "-c", example], capture_output=True, text=True,
                              env={**os.environ, "PATH": path}, timeout=DEADLINE, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertTrue(done.stdout.startswith("rr, quantum 2\n"))


class Refused(TestCase):
    def refuses(self, jobs, why, *options):
        with self.subTest(jobs=jobs[:40]):
            done = run("sched", "simulate", "--jobs", "-", *options,
                       input=jobs if isinstance(jobs, bytes) else jobs.encode())
            self.assertEqual((done.returncode, done.stdout), (1, b""))
            self.assertEqual(done.stderr.decode(), f"polyio sched simulate: {why}\n")

    def test_bad_lines_by_number_and_reason(self):
        ok = "A 0 1\n# a comment\n"
        self.refuses(ok + "B 0\n", "line 3: a job is: name arrival burst [io burst ...]")
        self.refuses(ok + "B 0 1 2\n", "line 3: the last I/O has no burst after it")
        self.refuses(ok + "B! 0 1 2 1\n", "line 3: a job that keeps the processor has one burst")
        self.refuses(ok + "A 0 1\n", "line 3: there is a job 'A' already")
        number = "line 3: '{}' is no whole number from {} to 1000000000"
        for word in ("-1", "1.5", "x", "1e3", "0x1", "1000000001", "9" * 30):
            self.refuses(ok + f"B {word} 1\n", number.format(word, 0))
        for word in ("0", "-3", "+3", "99999999999999999999"):
            self.refuses(ok + f"B 0 {word}\n", number.format(word, 1))
            self.refuses(ok + f"B 0 1 {word} 1\n", number.format(word, 1))
        self.refuses("", "there is no job: name arrival burst [io burst ...]")
        self.refuses("# nothing\n\n", "there is no job: name arrival burst [io burst ...]")

    def test_names_that_would_reach_the_terminal_as_controls(self):
        why = "line 1: a name has at most 32 printable bytes"
        for name in (b"\x1b[2J", b"a\x00b", b"a\x7f", b"\xff", "\u202eA".encode(), b"x" * 33,
                     "\u009b1m".encode(), b"a\\b", "\uffff".encode()):
            self.refuses(name + b" 0 1\n", why)
        self.refuses(b"A 0 \x1b[2J\n",
                     "line 1: '\\x1B[2J' is no whole number from 1 to 1000000000")

    def test_too_much_is_refused_and_takes_no_memory(self):
        self.refuses(b"\0" * 4_000_001, "- has more than 4000000 bytes")
        self.refuses("".join(f"j{i} 0 1\n" for i in range(10_001)),
                     "line 10001: more than 10000 jobs")
        self.refuses("A 0 " + "1 " * 100_001 + "\n", "line 1: more than 100000 bursts")
        for jobs in ("A 0 1000000000\nB 0 1000000000\n", "A 0 1000000000\n"):
            self.refuses(jobs, "the jobs take more than 1000000 turns on the processor: try a "
                         "longer quantum, or shorter bursts", "--policy", "rr", "--quantum", "1")
        # Far apart, and boosted all the time: a few steps all the same.
        done = simulate("A 0 1\nB 1000000000 1\n", "--policy", "mlfq", "--boost", "1")
        self.assertEqual(done.returncode, 0)

    def test_files_that_cannot_be_read(self):
        for path in ("/nowhere", "/"):
            done = run("sched", "simulate", "--jobs", path, text=True)
            self.assertEqual((done.returncode, done.stderr),
                             (1, f"polyio sched simulate: can't read {path}\n"))

    def test_command_lines(self):
        for options in (["--policy", "best"], ["--quantum", "0"], ["--quantum", "x"],
                        ["--levels", "0"], ["--levels", "33"], ["--boost", "0"],
                        ["--predict", "1.5"], ["--response", "9", "--quantum", "2"]):
            with self.subTest(options=options):
                done = simulate("A 0 1\n", *options)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertEqual(run("sched").returncode, 2)
        self.assertEqual(run("sched", "simulate").returncode, 2)
        for queue in ("expired", "expired=", "expired=-1", "expired=1:0", "expired=1:",
                      "expired=1:2x", "other=1", "expired=99999999999", "\x1b=1"):
            with self.subTest(queue=queue):
                done = simulate("A 0 1\n", "--policy", "by-cause", "--queue", queue)
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertIn("it is created, unblocked or expired", done.stderr)
                self.assertNotIn("\x1b", done.stderr)


class Page(TestCase):
    def test_commands_print_what_docs_scheduling_md_says(self):
        text = Path(ROOT / "docs/scheduling.md").read_text(encoding="utf-8")
        found = list(examples(text))
        self.assertGreater(len(found), 6)
        path = f"{os.path.dirname(POLYIO)}:{os.environ['PATH']}"
        for command, expected in found:
            with self.subTest(command=command):
                done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True,
                                      text=True, env={**os.environ, "PATH": path},
                                      timeout=DEADLINE, check=False)
                self.assertEqual((done.stdout, done.stderr), (expected, ""))


if __name__ == "__main__":
    main()
