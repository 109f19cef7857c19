"""Chat processes and the crowds of line clients in them: one load process for each."""
import json
import os
import select
import selectors
import subprocess
import time

from .servers import LOAD, POLYIO, Running, Server, prepare_child

SIGN_SECONDS = 3  # seconds between two signs of life


def chat(model, architecture, clients):
    return Server("polyio chat", (
        str(POLYIO), "chat", "--listen", "127.0.0.1:0", "--model", model, "--architecture",
        architecture, "--max-connections", str(clients)), "polyio", protocol="chat")


class Crowd:
    """One chat process with its clients. `close` ends both."""

    def __init__(self, number, server, clients, options, say):
        self.number, self.clients, self.say = number, clients, say
        self.answer = {}  # of the join
        self.pending, self.load = b"", None
        self.running = Running(server, options.server_cpu)
        self.running.__enter__()
        try:
            self.load = subprocess.Popen(
                [*LOAD, "crowd", "--server", f"127.0.0.1:{self.running.port}", "--protocol",
                 server.protocol, "--pid", str(self.running.process.pid), "--connections",
                 str(clients), "--cpu", str(options.load_cpu), "--size", str(options.size),
                 "--patience", str(options.patience), "--warmup", "0.6"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                start_new_session=True, preexec_fn=lambda: prepare_child(None))
        except BaseException:
            self.close()
            raise

    @property
    def listening(self):
        """What the chat says of itself: its model and architecture."""
        return self.running.ready.partition(" (")[2].rstrip(")")

    def join(self, deadline):
        """Waits until all clients are in the room; says where it is."""
        signed = time.monotonic()
        while "joined" not in self.answer:
            if time.monotonic() > deadline:
                raise TimeoutError
            if time.monotonic() - signed > SIGN_SECONDS:
                signed = time.monotonic()
                self.say(f"process {self.number}: {self.answer.get('connected', 0):,} of "
                         f"{self.clients:,} connected")
            self.answer = self.read(0.5) or self.answer

    def ask(self, command):
        try:
            self.load.stdin.write(command.encode() + b"\n")
            self.load.stdin.flush()
        except BrokenPipeError:
            self.failed()

    def read(self, seconds):
        """The load's next answer, if it comes within `seconds`."""
        end = time.monotonic() + seconds
        while b"\n" not in self.pending:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.load.stdout], [], [], left)[0]:
                return None
            piece = os.read(self.load.stdout.fileno(), 65536)
            if not piece:
                self.failed()
            self.pending += piece
        line, _, self.pending = self.pending.partition(b"\n")
        return json.loads(line)

    def failed(self):
        reason = self.load.stderr.read().decode().strip().removeprefix("polyio lab load: ")
        if self.running.process.poll() is not None:
            reason += " (the chat ended)"
        if "joined" not in self.answer:
            reason += f" (while clients joined; {self.answer.get('connected', 0):,} had connected)"
        raise RuntimeError(f"process {self.number}: {reason or 'its load ended without a word'}")

    def kill(self):
        """The clients first: their ends are reset, so nothing of them stays in the kernel."""
        if self.load:
            self.load.kill()
            self.load.wait()
        self.running.process.kill()

    def close(self):
        self.kill()
        self.running.__exit__()
        for pipe in (self.load.stdin, self.load.stdout, self.load.stderr) if self.load else ():
            try:
                pipe.close()
            except BrokenPipeError:
                pass


def answers(crowds, deadline, progress):
    """Each crowd's next answer, as they come: {crowd: answer}."""
    found, signed = {}, time.monotonic()
    with selectors.DefaultSelector() as selector:
        for crowd in crowds:
            selector.register(crowd.load.stdout, selectors.EVENT_READ, crowd)
        while len(found) < len(crowds):
            if time.monotonic() > deadline:
                raise TimeoutError
            if time.monotonic() - signed > SIGN_SECONDS:
                signed = time.monotonic()
                progress(len(found))
            for key, _ in selector.select(0.5):
                answer = key.data.read(0.5)
                if answer:
                    found[key.data] = answer
                    selector.unregister(key.fileobj)
    return found
