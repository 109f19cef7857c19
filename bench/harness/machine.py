"""What was measured on and with: facts that go into the report, no names or paths."""
import os
import platform
import re
import shutil
import subprocess
from datetime import datetime, timezone

from .servers import ROOT

PACKAGES = ["libuv1", "libevent-core-2.1-7", "libev4", "libasio-dev", "golang-go", "nodejs",
            "python3", "python3-uvloop", "redis-tools", "liburing2"]
EVERYTHING = ("polyio_bench", "polyio_app")


def output(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    except OSError:
        return ""
    return done.stdout.strip()


def read(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def facts():
    model = re.search(r"model name\s*:\s*(.+)", read("/proc/cpuinfo"))
    memory = re.search(r"MemTotal:\s*(\d+)", read("/proc/meminfo"))
    system = re.search(r'PRETTY_NAME="(.+)"', read("/etc/os-release"))
    versions = output("dpkg-query", "-W", "-f", "${Package} ${Version}, ", *PACKAGES)
    changed = output("git", "status", "--porcelain", "--", "src", "include", "apps", "bench", "lab")
    commit = output("git", "rev-parse", "--short", "HEAD") or "unknown"
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit + (", with uncommitted changes" if changed else ""),
        "machine": f"{os.cpu_count()} × {model.group(1) if model else platform.machine()}, "
                   f"{int(memory.group(1)) / 2**20 if memory else 0:.0f} GiB",
        "system": f"{system.group(1) if system else 'unknown'}, Linux {platform.release()}",
        "compiler": output("clang++-19", "--version").split("\n")[0],
        "packages": versions.rstrip(", ").strip(),
        "load average at the start": " ".join(f"{each:.2f}" for each in os.getloadavg()),
        "congestion control": read("/proc/sys/net/ipv4/tcp_congestion_control").strip(),
    }


def prepare(say, *targets):
    """Packages, build; for all targets node's ws too. Raises CalledProcessError."""
    subprocess.run([ROOT / "scripts/install", "build", "bench"], check=True)
    build = ROOT / "build/bench"
    if not (build / "build.ninja").is_file():
        say("configuring build/bench")
        # valgrind 3.19 can't read clang 19's DWARF 5. A warning about a peer's header is no error.
        subprocess.run(["cmake", "--preset", "release", "-B", build, "-DPOLYIO_BENCH=ON",
                        "-DCMAKE_COMPILE_WARNING_AS_ERROR=OFF",
                        "-DPOLYIO_TESTS=OFF", "-DPOLYIO_EXAMPLES=OFF",
                        "-DCMAKE_C_FLAGS=-gdwarf-4", "-DCMAKE_CXX_FLAGS=-gdwarf-4"],
                       cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    say("building build/bench")
    subprocess.run(["cmake", "--build", build, "--target", *(targets or EVERYTHING)],
                   cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    if targets:
        return
    if shutil.which("npm") and not (ROOT / "web/node_modules/ws").is_dir():
        say("npm install in web/, for node's ws")
        subprocess.run(["npm", "install", "--no-save", "--no-audit", "--no-fund"],
                       cwd=ROOT / "web", check=True, stdout=subprocess.DEVNULL)
