"""Programs of examples/ that listen, and a client. EXAMPLES: the folder they were built into."""
import os
import socket
import struct
import subprocess

EXAMPLES = os.environ["EXAMPLES"]


def ask(connection, request, size):
    connection.sendall(request)
    answer = b""
    while len(answer) < size:
        chunk = connection.recv(1024)
        if not chunk:
            break
        answer += chunk
    return answer


def read(connection, size):
    """What comes, until there are `size` bytes or the peer has ended."""
    answer = b""
    while len(answer) < size:
        chunk = connection.recv(min(65536, size - len(answer)))
        if not chunk:
            break
        answer += chunk
    return answer


def talk(connection, messages):
    """The tutorials' client: sends a message and takes what one recv(1024) gives for the answer."""
    answers = []
    for message in messages:
        connection.send(message.encode("utf-8"))
        answers.append(connection.recv(1024).decode("utf-8"))
    return answers


def reset(connection):
    """Closes with a reset in place of an orderly end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class Server:
    """A program that listens; its ready line has the address."""

    def __init__(self, *command):
        self.command = command
        self.process = None
        self.address = None

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL)
        ready = self.process.stdout.readline().decode().split()
        if not ready:
            self.process.stdout.close()
            raise AssertionError(f"{self.command} ended with {self.process.wait(20)}: port in use?")
        host, port = ready[2].rstrip(",").rsplit(":", 1)
        self.address = (host, int(port))
        return self

    def connect(self):
        return socket.create_connection(self.address, 20)

    def __exit__(self, *_):
        alive = self.process.poll() is None
        self.process.terminate()
        self.process.wait(20)
        self.process.stdout.close()
        assert alive, "the server ended by itself"


class Example(Server):
    """An example that listens, and one connection to it."""

    def __init__(self, name, *arguments):
        super().__init__(os.path.join(EXAMPLES, name), "127.0.0.1:0", *arguments)

    def __enter__(self):
        super().__enter__()
        try:
            return self.connect()
        except OSError:
            self.__exit__()
            raise


def on_selectors(name):
    return Server(os.path.join(EXAMPLES, name), "0")
