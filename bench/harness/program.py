"""What the programs of bench/ have in common on their command lines and at their start."""
import argparse
import signal
import subprocess
import sys
from pathlib import Path

from . import machine
from .measure import say

ROOT = Path(__file__).resolve().parents[2]


def parser(text):
    return argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter)


def add_places(arguments):
    arguments.add_argument("--server-cpu", type=int, default=0, metavar="CORE")
    arguments.add_argument("--load-cpu", type=int, default=1, metavar="CORE")
    arguments.add_argument("--output", type=Path, metavar="FOLDER", help="default bench/results",
                           default=ROOT / "bench/results")
    arguments.add_argument("--no-build", action="store_true", help="take build/bench as it is")


def number(least, most=None, kind=int):
    """An argparse type: a number that is not below `least`, nor above `most`."""
    def check(text):
        try:
            value = kind(text.replace(",", "_"))
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
        if value < least or (most is not None and value > most):
            upper = f" to {most:,}" if most is not None else " or more"
            raise argparse.ArgumentTypeError(f"{text}: {least:,}{upper} is possible")
        return value
    return check


def numbers(least, most=None):
    """An argparse type: such numbers, with commas between them."""
    return lambda text: sorted({number(least, most)(each) for each in text.split(",")})


def start(options, *targets):
    """Builds, unless --no-build, and lets a SIGTERM end the with-blocks, so the servers too."""
    if not options.no_build:
        try:
            machine.prepare(say, *targets)
        except subprocess.CalledProcessError as error:
            sys.exit(f"bench: {error.cmd[0]} failed; nothing was measured")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def ending(main):
    """The program's exit status; Ctrl-C is 130."""
    try:
        return main()
    except KeyboardInterrupt:
        return 130
