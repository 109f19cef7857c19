"""User-space instructions per operation: the difference between a short and a long run."""
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .servers import BUILD, LOAD, Running

TOTAL = re.compile(r"^(?:totals|summary): (\d+)", re.MULTILINE)
FUNCTION = re.compile(r"^\s*([\d,]+)\s+(?:\([^)]*\)\s+)?\S*?:(.+?)(?: \[(.*)\])?$", re.MULTILINE)


@dataclass(frozen=True)
class Counted:
    operations: int
    instructions: int
    functions: dict  # name: instructions in the function itself


def count(server, load, operations_of, requests):
    """One run of `requests` under callgrind."""
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        pattern = os.path.join(folder, "out.%p")
        wrapper = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={pattern}"]
        with Running(server, None, wrapper, patience=120) as running:
            command = [*LOAD, *load, "--warmup", "0", "--requests", str(requests),
                       "--patience", "120", "--server", f"127.0.0.1:{running.port}"]
            if load[0] == "fanout":
                command += ["--protocol", server.protocol]
            done = subprocess.run(command, capture_output=True, text=True, timeout=900)
            if done.returncode != 0:
                raise RuntimeError(f"{server.name}: {done.stderr.strip()}")
            # Asked from outside: a signal would not wake a server that waits in io_uring_enter.
            subprocess.run(["vgdb", f"--pid={running.process.pid}", "dump"], check=True,
                           capture_output=True, timeout=60)
        files = sorted(Path(folder).glob("out.*.*"))
        if not files:
            raise RuntimeError(f"{server.name}: callgrind wrote nothing")
        instructions = sum(int(TOTAL.findall(file.read_text())[-1]) for file in files)
        return Counted(operations_of(requests), instructions, by_function(files))


def by_function(files):
    functions = {}
    for file in files:
        listing = subprocess.run(
            ["callgrind_annotate", "--threshold=100", "--auto=no", "--show-percs=no", str(file)],
            capture_output=True, text=True, check=True).stdout
        for number, name, _ in FUNCTION.findall(listing):
            functions[name] = functions.get(name, 0) + int(number.replace(",", ""))
    return functions


def per_operation(short, long):
    """Instructions per operation, and per function those of one at least."""
    operations = long.operations - short.operations
    total = (long.instructions - short.instructions) / operations
    functions = {name: (there - short.functions.get(name, 0)) / operations
                 for name, there in long.functions.items()}
    ordered = sorted(functions.items(), key=lambda item: -item[1])
    return total, [(name, each) for name, each in ordered if each >= 1]
