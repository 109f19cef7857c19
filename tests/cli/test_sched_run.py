"""`polyio sched run`: real processes in the order of each policy, the simulator beside them, and no
process left, whatever ends the scheduler.

What is checked follows from the run's own numbers (its turns, its measured bursts), never from how
long something took: the machine may be busy.
"""
import json
import os
import re
import signal
import subprocess
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from harness import DEADLINE, POLYIO, TestCase, Terminal, main, run, wait_until


def burn(rounds):
    """A command that computes, some 1 us for a round, in one process that waits for nothing."""
    return f"i=0; while [ $i -lt {rounds} ]; do i=$((i+1)); done"


def start(jobs, *options, **popen):
    process = subprocess.Popen([POLYIO, "sched", "run", "--jobs", "-", *options],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, **popen)
    process.stdin.write(jobs)
    process.stdin.close()
    return process


def run_jobs(jobs, *options):
    done = run("sched", "run", "--jobs", "-", *options, input=jobs, text=True)
    # A busy machine makes progress a matter of luck.
    done.stderr = re.sub(r"(?m)^polyio sched run: [\d.]+ s: .*\n", "", done.stderr)
    return done


def report_of(jobs, *options):
    done = run_jobs(jobs, "--json", *options)
    assert (done.returncode, done.stderr) == (0, ""), done
    return json.loads(done.stdout)


def turns(report):
    """The names of those on the processor, one after the other."""
    names = []
    for name, _, _ in report["timeline"]:
        if names[-1:] != [name]:
            names.append(name)
    return names


def job(report, name):
    return next(one for one in report["jobs"] if one["name"] == name)


def with_word(word):
    """{pid: state} of the processes that have `word` on their command line."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
            if word in command:
                found[int(pid)] = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0]
        except (FileNotFoundError, ProcessLookupError):
            pass
    return {pid: state for pid, state in found.items() if state != "Z"}


def last_cpu(pid):
    """The processor it ran on last (proc_pid_stat(5), field 39)."""
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()[36])


class RealOrder(TestCase):
    def agrees(self, report):
        """In switches with the simulation of the measured bursts: for each job a turn may begin
        or end on the other side of the end of its burst; a skipped turn is two switches less."""
        bound = len(report["jobs"]) + 2 * report["skipped"]
        real, simulated = report["switches"], report["simulated"]["switches"]
        self.assertLessEqual(abs(real - simulated), bound, report)

    def test_fcfs(self):
        report = report_of(f"A 0 {burn(60000)}\nB 0 {burn(40000)}\nC 0 {burn(20000)}\n")
        self.assertEqual(turns(report), ["A", "B", "C"])
        self.assertEqual(report["switches"], report["simulated"]["switches"])
        self.assertEqual(turns(report["simulated"]), ["A", "B", "C"])

    def test_sjf_by_the_bursts_of_the_list(self):
        report = report_of(f"long 0:900 {burn(60000)}\nshort 0:10 {burn(2000)}\n"
                           f"middle 0:50 {burn(20000)}\n", "--policy", "sjf")
        self.assertEqual(turns(report), ["short", "middle", "long"])
        self.assertEqual(turns(report["simulated"]), ["short", "middle", "long"])

    def test_sjf_without_them_guesses(self):
        jobs = f"A 0 {burn(20000)}\nB 0:50 {burn(2000)}\n"
        self.assertEqual(turns(report_of(jobs, "--policy", "sjf")), ["A", "B"])
        self.assertEqual(turns(report_of(jobs, "--policy", "sjf", "--guess", "60ms")), ["B", "A"])

    def test_preemptive_sjf(self):
        jobs = f"long 0:9000 {burn(400000)}\nshort 40:10 {burn(2000)}\n"
        self.assertEqual(turns(report_of(jobs, "--policy", "sjf")), ["long", "short"])
        report = report_of(jobs, "--policy", "sjf", "--preemptive")
        self.assertEqual(turns(report), ["long", "short", "long"])
        self.agrees(report)

    def test_round_robin_goes_round_and_agrees_in_switches(self):
        report = report_of("".join(f"{name} 0 {burn(150000)}\n" for name in "ABC"),
                           "--policy", "rr", "--quantum", "10ms")
        self.agrees(report)
        names = turns(report)
        self.assertEqual(names[:3], ["A", "B", "C"])
        self.assertGreater(report["switches"], 6)
        if report["skipped"] == 0:
            first_end = min(names[::-1].index(name) for name in "ABC")
            for i in range(len(names) - first_end - 3):
                self.assertEqual(names[i], names[i % 3], names)

    def test_mlfq_serves_a_short_one_at_once_without_a_hint(self):
        jobs = f"long 0 {burn(500000)}\nshort 150 {burn(2000)}\n"
        report = report_of(jobs, "--policy", "mlfq")
        short = job(report, "short")
        between = [turn for turn in report["timeline"]
                   if turn[0] == "long" and short["arrival"] < turn[1] < short["start"]]
        self.assertEqual(between, [])  # what ran gave way, and nothing else came first
        self.assertLess(short["finish"], job(report, "long")["finish"])
        self.agrees(report)
        report = report_of(jobs, "--policy", "fcfs")
        self.assertGreaterEqual(job(report, "short")["start"], job(report, "long")["finish"])

    def test_one_that_waits_leaves_the_processor_to_another(self):
        for policy in ("fcfs", "rr", "mlfq", "by-cause"):
            with self.subTest(policy=policy):
                report = report_of(f"waits 0 sleep 0.3; {burn(2000)}\ncomputes 0 {burn(50000)}\n",
                                   "--policy", policy)
                self.assertLess(job(report, "computes")["start"], job(report, "waits")["finish"])
                self.assertGreaterEqual(len(report["bursts"][0]), 3)  # burst, wait, burst
                self.assertGreater(max(report["bursts"][0][1::2]), 100)

    def test_one_that_keeps_the_processor_is_never_stopped(self):
        # A trap counts how often it is continued: never, and with an ordinary job often.
        line = "trap 'echo continued' CONT; " + burn(100000)
        done = run_jobs(f"A! 0 {line}\nB 0 {burn(50000)}\n", "--json", "--policy", "rr",
                        "--quantum", "5ms")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        report = json.loads(done.stdout)
        self.assertEqual(turns(report), ["A", "B"])
        self.assertEqual(turns(report["simulated"]), ["A", "B"])
        done = run_jobs(f"A 0 {line}\nB 0 {burn(50000)}\n", "--policy", "rr", "--quantum", "5ms")
        self.assertIn("continued", done.stderr)

    def test_one_that_keeps_the_processor_keeps_it_while_it_waits(self):
        report = report_of(f"A! 0 sleep 0.1; {burn(1000)}\nB 0 {burn(1000)}\n", "--policy", "rr")
        self.assertEqual(turns(report), ["A", "B"])
        self.assertGreaterEqual(job(report, "B")["start"], job(report, "A")["finish"])


class RealParallelism(TestCase):
    def test_one_processor_overlaps_waits_and_two_compute_at_once(self):
        # Waits overlap: both are in theirs at some moment.
        report = report_of("A 0 sleep 0.3\nB 0 sleep 0.3\n", "--policy", "rr")
        self.assertLess(job(report, "B")["start"], job(report, "A")["finish"])
        # Computing does not: one at a time has the processor, and none stays idle.
        report = report_of(f"A 0 {burn(60000)}\nB 0 {burn(60000)}\n", "--policy", "rr")
        for one, other in zip(report["timeline"], report["timeline"][1:]):
            self.assertLessEqual(one[2], other[1])
        computed = sum(one["burst"] for one in report["jobs"])
        self.assertGreaterEqual(max(one["finish"] for one in report["jobs"]), 0.95 * computed)
        # On two processors both have one at the same time.
        cpus = sorted(os.sched_getaffinity(0))[:2]
        if len(cpus) < 2:
            return
        word = f"both-{os.getpid()}"
        with start(f"A 0 : {word}; while :; do :; done\n", "--cpu", str(cpus[0])) as one, \
                start(f"B 0 : {word}; while :; do :; done\n", "--cpu", str(cpus[1])) as other:
            wait_until(lambda: {last_cpu(pid) for pid, state in with_word(word).items()
                                if state == "R"} == set(cpus), "a job on each processor")
            one.terminate()
            other.terminate()


class RealEnd(TestCase):
    """Of the scheduler: no process of its jobs is left."""

    # One computes, one is stopped, one has children, also in a group that one has made for itself.
    JOBS = ("A 0 : {0}; while :; do :; done\nB 0 : {0}; while :; do :; done\n"
            "C 0 sleep 999 & timeout 900 sh -c 'while :; do :; done; : {0}'; : {0}\n")

    def started(self, word, jobs=None, least=5, **popen):
        process = start((jobs or self.JOBS).format(word), "--policy", "rr", "--quantum", "2ms",
                        **popen)
        wait_until(lambda: "T" in with_word(word).values() and len(with_word(word)) >= least,
                   "a stopped job")
        return process

    def left_by(self, end, code, said):
        word = f"left-{os.getpid()}-{code}"
        process = self.started(word)
        end(process)
        self.assertEqual(process.wait(DEADLINE), code)
        wait_until(lambda: not with_word(word), "the end of every job")
        self.assertEqual(process.stdout.read(), "")
        self.assertIn(said, process.stderr.read())
        process.stdout.close()
        process.stderr.close()

    def test_by_signals(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(signal=number):
                self.left_by(lambda process, number=number: process.send_signal(number),
                             128 + number, f"all jobs were ended by signal {int(number)}")

    def test_by_kill_9(self):
        self.left_by(lambda process: process.kill(), -9, "")

    def test_by_a_crash(self):
        self.left_by(lambda process: process.send_signal(signal.SIGABRT), -6, "")

    def test_by_the_end_of_its_guardian(self):
        def kill_guardian(process):
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            os.kill(int(children[0]), signal.SIGKILL)
        self.left_by(kill_guardian, 1, "the guardian process was killed: all jobs are ended")

    def test_one_that_ignores_sigterm_is_killed(self):
        word = f"stubborn-{os.getpid()}"
        process = self.started(word, "".join(
            f"{name} 0 trap '' TERM; : {{0}}; while :; do :; done\n" for name in "ABC"), 3)
        process.terminate()
        self.assertEqual(process.wait(DEADLINE), 128 + 15)
        self.assertEqual(with_word(word), {})
        process.stdout.close()
        process.stderr.close()

    def test_by_ctrl_c_on_a_terminal(self):
        word = f"terminal-{os.getpid()}"
        with tempfile.NamedTemporaryFile("w", suffix=".jobs") as file, Terminal() as terminal:
            file.write(self.JOBS.format(word))
            file.flush()
            terminal.start(POLYIO, "sched", "run", "--policy", "rr", "--jobs", file.name)
            terminal.expect(b"  runs     ")
            wait_until(lambda: "T" in with_word(word).values(), "a stopped job")
            terminal.type(b"\x03")
            self.assertEqual(terminal.wait(), 130)
            self.assertIn(b"all jobs were ended by signal 2", terminal.seen)
            self.assertTrue(terminal.restored())
        self.assertEqual(with_word(word), {})

    def test_what_a_job_leaves_behind_ends_with_it(self):
        word = f"behind-{os.getpid()}"
        with start(f"A 0 sh -c 'sleep 997; : {word}' & timeout 900 sh -c 'sleep 995; : {word}' & "
                   "sleep 0.2; exit 3\nB 0 sleep 996\n") as process:
            wait_until(lambda: "A ended with code 3" in process.stderr.readline(), "the end of A")
            wait_until(lambda: not with_word(word), "the end of what A has started")
            process.terminate()
            self.assertEqual(process.wait(DEADLINE), 128 + 15)

    def test_daemons_of_jobs_end_with_the_scheduler(self):
        word = f"daemon-{os.getpid()}"
        with tempfile.TemporaryDirectory() as directory:
            there = os.path.join(directory, "there")
            done = run_jobs(f"A 0 (setsid sh -c ': >{there}; sleep 994; : {word}' &); "
                            f"while [ ! -e {there} ]; do sleep 0.01; done\n")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(with_word(word), {})


class RealReport(TestCase):
    def test_exit_codes_and_a_missing_command(self):
        done = run_jobs("A 0 exit 3\nB 0 kill -9 $$\nC 0 there-is-no-such-command\nD 0 true\n",
                        "--json")
        self.assertEqual(done.returncode, 1)
        report = json.loads(done.stdout)
        self.assertEqual([one["exitcode"] for one in report["jobs"]], [3, -9, 127, 0])
        self.assertEqual(report["jobs"][2]["ended"], "ended with code 127: command not found")
        for said in ("A ended with code 3\n", "B was killed by signal 9 (Killed)\n",
                     "C ended with code 127: command not found\n"):
            self.assertIn("polyio sched run: " + said, done.stderr)
        self.assertIn("there-is-no-such-command", done.stderr)  # the shell's own words

    def test_text_and_picture(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "a.svg")
            done = run_jobs("A 0 echo printed\nB 0 cat\n", "--policy", "mlfq", "--svg", path)
            self.assertEqual((done.returncode, done.stderr), (0, "printed\n"))
            ElementTree.parse(path)
            lines = done.stdout.splitlines()
            self.assertTrue(lines[0].startswith("mlfq, 3 levels, quantum 20 ms, on processor "))
            self.assertEqual([line.split()[0] for line in lines[-3:]],
                             ["averages", "measured", "simulated"])
            self.assertEqual(sum("ended with code 0" in line for line in lines), 2)
        done = run_jobs("A 0 true\n", "--svg", "/nowhere/a.svg")
        self.assertEqual((done.returncode, done.stderr),
                         (1, "polyio sched run: can't write /nowhere/a.svg\n"))

    def test_on_a_terminal_the_jobs_are_seen_and_what_they_print_is_above(self):
        with tempfile.NamedTemporaryFile("w", suffix=".jobs") as file, Terminal() as terminal:
            file.write("A 0 printf 'wor\\033[2Jds\\n'; sleep 0.3\nB 20000 true\n")
            file.flush()
            terminal.start(POLYIO, "sched", "run", "--policy", "rr", "--jobs", file.name)
            terminal.expect(b"wor\\x1B[2Jds\r\n")
            terminal.expect(b"  waiting  A\r\n  to come  B\r\n")
            terminal.type(b"\x03")
            self.assertEqual(terminal.wait(), 130)

    def test_progress_after_two_seconds(self):
        with start("A 0 sleep 30\n") as process:
            self.assertRegex(process.stderr.readline(), r"^polyio sched run: [\d.]+ s: none runs, "
                             "0 ready, 1 waiting, 0 to come, 0 ended\n$")
            process.terminate()

    def test_as_an_ordinary_user(self):
        if os.geteuid() != 0:
            return
        reached = subprocess.run(["test", "-x", POLYIO], user=65534, group=65534, check=False)
        if reached.returncode != 0:
            self.skipTest("the program lies where other users can't reach it")
        done = run("sched", "run", "--jobs", "-", "--policy", "rr", "--json", text=True,
                   input=f"A 0 {burn(40000)}\nB 0 {burn(40000)}\n", user=65534, group=65534,
                   extra_groups=[])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(turns(json.loads(done.stdout))[:2], ["A", "B"])

    def test_help_has_an_example_that_runs(self):
        said = run("sched", "run", "--help", text=True).stdout
        example = said[said.index("Example:") + 9:].strip()
        path = f"{os.path.dirname(POLYIO)}:{os.environ['PATH']}"
        done = subprocess.run(["bash", "-c", example], capture_output=True, text=True,
                              env={**os.environ, "PATH": path}, timeout=DEADLINE, check=False)
        self.assertEqual(done.returncode, 0, done)
        self.assertTrue(done.stdout.startswith("rr, quantum 20 ms, on processor "))

    def test_what_is_refused(self):
        def refuses(jobs, why, *options):
            with self.subTest(jobs=jobs):
                done = run_jobs(jobs, *options)
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertEqual(done.stderr, f"polyio sched run: {why}\n")
        ok = "A 0 true\n# a comment\n"
        refuses(ok + "B 0\n", "line 3: a job is: name arrival[:burst] command")
        refuses(ok + "A 0 true\n", "line 3: there is a job 'A' already")
        refuses(ok + "B x true\n", "line 3: 'x' is no whole number from 0 to 1000000000")
        refuses(ok + "B 0:0 true\n", "line 3: '0' is no whole number from 1 to 1000000000")
        refuses(ok + "B 0: true\n", "line 3: '' is no whole number from 1 to 1000000000")
        refuses(ok + "B 0 true \0\n", "line 3: a command has no zero byte")
        refuses(ok + "\x1b 0 true\n", "line 3: a name has at most 32 printable bytes")
        refuses("", "there is no job: name arrival[:burst] command")
        allowed = ", ".join(map(str, sorted(os.sched_getaffinity(0))))
        refuses(ok, f"--cpu 9999: this process may use {allowed}", "--cpu", "9999")
        for options in (["--quantum", "0ms"], ["--quantum", "20"], ["--policy", "best"],
                        ["--predict", "2"]):
            self.assertEqual(run_jobs(ok, *options).returncode, 2)
        self.assertEqual(run("sched", "run", "--jobs", "/nowhere", text=True).stderr,
                         "polyio sched run: can't read /nowhere\n")


if __name__ == "__main__":
    main()
