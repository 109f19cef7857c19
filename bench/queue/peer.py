#!/usr/bin/env python3
"""The same run as queue.cpp, by Python's multiprocessing.

Usage: peer.py Queue|SimpleQueue stream|pingpong SIZE COUNT
"""
import json
import multiprocessing
import resource
import sys
import time


def send(mode, size, count, there, back):
    message = b"x" * size
    for _ in range(count + 1):
        if mode == "pingpong":
            back.get()
        there.put(message)


def cpu_seconds():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def main():
    kind, mode, size, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    context = multiprocessing.get_context("fork")
    there, back = getattr(context, kind)(), getattr(context, kind)()
    message = b"y" * size
    before = cpu_seconds()
    child = context.Process(target=send, args=(mode, size, count, there, back))
    child.start()

    def once():
        if mode == "pingpong":
            back.put(message)
        return there.get()

    once()
    begin = time.perf_counter()
    for _ in range(count):
        got = once()
    seconds = time.perf_counter() - begin
    assert len(got) == size
    child.join()
    assert child.exitcode == 0
    print(json.dumps({"rate": count / seconds, "cpu_ns": (cpu_seconds() - before) / count * 1e9}))


if __name__ == "__main__":
    main()
