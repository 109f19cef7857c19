#include <unistd.h>

#include <cstdlib>
#include <sstream>

#include "work.hpp"

namespace polyio::lab {
namespace {

constexpr const char* program = R"python(
import asyncio, json, multiprocessing, resource, sys, threading, time

def compute(steps):
    value = 1
    for i in range(steps):
        value = (value * 31 + i) & 0xffffffff

def spent():
    used = [resource.getrusage(of) for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return time.perf_counter(), sum(one.ru_utime + one.ru_stime for one in used)

def measure(function, *arguments):
    before = spent()
    function(*arguments)
    return [now - then for now, then in zip(spent(), before)]

def steps_of(seconds):
    best = min(measure(compute, 50000)[0] for _ in range(5))
    return int(50000 * seconds / best) + 1

def turn(tasks, work, argument):
    for _ in range(tasks):
        work(argument)

def run(kind, tasks, work, argument):
    all = [kind(target=work, args=(argument,)) for _ in range(tasks)]
    for one in all:
        one.start()
    for one in all:
        one.join()

def parallel(kind, tasks, seconds):
    work, argument = (time.sleep, seconds) if kind == "io" else (compute, steps_of(seconds))
    ways = {"turn": lambda: turn(tasks, work, argument),
            "processes": lambda: run(multiprocessing.get_context("fork").Process, tasks, work,
                                     argument),
            "threads": lambda: run(threading.Thread, tasks, work, argument)}
    for name, way in ways.items():
        figures[name + "_s"], figures[name + "_cpu_s"] = measure(way)

async def waits(tasks, seconds, at_once):
    all = [asyncio.sleep(seconds) for _ in range(tasks)]
    if at_once:
        await asyncio.gather(*all)
    else:
        for one in all:
            await one

switches = 0
async def computing(steps, every):
    global switches
    for _ in range(0, steps, every):
        compute(every)
        if switches is not None:
            switches += 1
            await asyncio.sleep(0)

async def computings(tasks, steps, every):
    await asyncio.gather(*[computing(steps, every) for _ in range(tasks)])

def switching(tasks, seconds, every):
    global switches
    steps = steps_of(seconds)
    for name, at_once in (("turn", False), ("at_once", True)):
        figures[f"waits_{name}_s"] = measure(asyncio.run, waits(tasks, seconds, at_once))[0]
    switches = None
    alone = measure(asyncio.run, computings(tasks, steps, every))[1]
    switches = 0
    switching = measure(asyncio.run, computings(tasks, steps, every))[1]
    figures.update(computing_cpu_s=alone, switching_cpu_s=switching, switches=switches,
                   switch_ns=(switching - alone) * 1e9 / switches)

what, *rest = sys.argv[1:]
figures = {"tasks": int(rest[0]), "gil": int(getattr(sys, "_is_gil_enabled", lambda: True)())}
if what == "switching":
    switching(int(rest[0]), float(rest[1]), int(rest[2]))
else:
    parallel(what, int(rest[0]), float(rest[1]))
print(json.dumps(figures))
)python";

bool is_there(const std::string& name) {
  const char* const path = std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe): only read
  std::istringstream folders(path ? path : "/usr/bin:/bin");
  for (std::string folder; std::getline(folders, folder, ':');) {
    folder.append("/").append(name);
    if (::access(folder.c_str(), X_OK) == 0) return true;
  }
  return false;
}

}  // namespace

std::vector<std::string> python_work(std::vector<std::string> arguments) {
  if (!is_there("python3")) return {};
  // By the shell, for Python finds its library by the name it was called by.
  arguments.insert(arguments.begin(), {"-c", R"(exec python3 -c "$0" "$@")", program});
  return arguments;
}

}  // namespace polyio::lab
