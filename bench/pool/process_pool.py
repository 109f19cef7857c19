"""The same as process_pool.cpp, by concurrent.futures."""
import os
import resource
import signal
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool


def add_one(value):
    return value + 1


def fifth_dies(number):
    if number == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def cpu_seconds():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def run(pool, mode, count):
    """How long it took, without pauses."""
    pauses, begin = 0, time.monotonic()
    if mode == "map":
        assert list(pool.map(add_one, range(count))) == list(range(1, count + 1))
    elif mode == "burst":
        futures = [pool.submit(add_one, i) for i in range(count)]
        assert [one.result() for one in futures] == list(range(1, count + 1))
    else:
        for i in range(count):
            if mode == "sleeping":
                pause = time.monotonic()
                time.sleep(0.002)
                pauses += time.monotonic() - pause
            assert pool.submit(add_one, i).result() == i + 1
    return time.monotonic() - begin - pauses


def results(pool, count):
    given = 0
    for future in [pool.submit(fifth_dies, i) for i in range(count)]:
        try:
            future.result()
            given += 1
        except BrokenProcessPool:
            pass
    return given


def main():
    mode, count, cpu = sys.argv[1], int(sys.argv[2]), cpu_seconds()
    with ProcessPoolExecutor(2) as pool:
        if mode == "killed":
            print(f"{results(pool, count)} of {count}")
            return
        pool.submit(add_one, 0).result()
        took = run(pool, mode, count)
    print('{"rate": %.0f, "cpu_ns": %.1f}' % (count / took, (cpu_seconds() - cpu) * 1e9 / count))


if __name__ == "__main__":
    main()
