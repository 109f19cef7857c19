"""Runs the jobs: rounds in which every server has its turn, fresh, on a core of its own."""
import json
import random
import subprocess
import sys

from .servers import LOAD, Running

AGAIN = " (again)"  # the same server a second time: what differs is noise


class Bench:
    def __init__(self, rounds, scale, server_cpu, load_cpu, say):
        self.rounds, self.scale = rounds, scale
        self.server_cpu, self.load_cpu, self.say = server_cpu, load_cpu, say
        self.order = random.Random(1)

    def once(self, job, server):
        """One run: the load generator's answer, or {"error": why}."""
        command = [*LOAD, *job.load, "--warmup", str(job.warmup * self.scale)]
        if job.load[0] == "fanout":
            command += ["--protocol", server.protocol]
        if job.timed:
            command += ["--seconds", str(job.seconds * self.scale)]
        try:
            with Running(server, self.server_cpu) as running:
                command += ["--server", f"127.0.0.1:{running.port}"]
                command += ["--pid", str(running.process.pid), "--cpu", str(self.load_cpu)]
                done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
            return {"error": str(error)}
        if done.returncode != 0:
            reason = (done.stderr.strip() or "load failed").splitlines()[0]
            return {"error": reason.removeprefix("polyio lab load: ")}
        return json.loads(done.stdout)

    def run(self, job, servers):
        """Rows of one job: per server its runs, round by round."""
        entries = [(server.name, server) for server in servers]
        limits = [server for server in servers if server.name == server.limit]
        entries += [(limit.name + AGAIN, limit) for limit in limits[:1]]
        rows = {name: {"server": name, "kind": server.kind, "limit": server.limit, "runs": []}
                for name, server in entries}
        self.rounds_of([(job, name, server) for name, server in entries],
                       {(job.name, name): rows[name]["runs"] for name in rows})
        return list(rows.values())

    def rounds_of(self, entries, runs, after=lambda: None):
        """Every (job, name, server) has its turn in each round; `runs`, by job's and server's name,
        gets what came of it. `after` is called after each round."""
        given_up = set()
        for number in range(1, self.rounds + 1):
            self.order.shuffle(entries)
            for place, (job, name, server) in enumerate(entries, 1):
                done = runs[job.name, name]
                if (job.name, name) in given_up:
                    done.append({"error": "failed twice before"})
                    continue
                result = self.once(job, server)
                done.append(result)
                self.report(job, number, place, len(entries), name, result)
                if [("error" in run) for run in done[-2:]] == [True, True]:
                    given_up.add((job.name, name))
            after()

    def report(self, job, number, place, count, name, result):
        if "error" in result:
            text = "failed: " + result["error"]
        else:
            text = f"{result[job.value]:g} {job.unit}"
        self.say(f"{job.name}, round {number} of {self.rounds}, {place} of {count}: {name}: {text}")


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)
