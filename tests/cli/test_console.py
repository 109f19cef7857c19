"""The servers' own command line."""
import os
import re
import socket
import subprocess

from harness import (DEADLINE, POLYIO, READY, LineClient, Server, TestCase, Terminal, main,
                     options_of)


class OnTerminal(TestCase):
    def start(self, *options):
        terminal = Terminal()
        self.addCleanup(terminal.__exit__)
        terminal.start(POLYIO, "chat", "--listen", "127.0.0.1:0", *options,
                       stderr=subprocess.DEVNULL)
        terminal.expect(b">>>")
        return terminal

    def test_threads_and_quit(self):
        terminal = self.start(*options_of("epoll", "loops"))
        terminal.type(b"anything\n")
        listed = terminal.expect(b">>>").decode()
        names = re.findall(r"(?m)^thread (\S+) \d+\r$", listed)
        self.assertIn("loop-1", names)
        self.assertIn("console", names)
        self.assertEqual(len(names), len(os.listdir(f"/proc/{terminal.process.pid}/task")))
        terminal.type(b"\n")  # an empty line is something else than quit
        self.assertIn(b"thread console ", terminal.expect(b">>>"))
        terminal.type(b" quit \n")
        self.assertEqual(terminal.wait(), 0)

    def test_the_model_changes_under_a_conversation(self):
        for command, answer in (("chat", b"[('"), ("echo", b"HELLO\n")):
            with self.subTest(command=command), Terminal() as terminal:
                terminal.start(POLYIO, command, "--listen", "127.0.0.1:0", "--model", "epoll",
                               stderr=subprocess.DEVNULL)
                ready = READY.search(terminal.expect(b">>>").decode())
                with socket.create_connection(("127.0.0.1", int(ready[2]))) as client:
                    client.settimeout(DEADLINE)
                    for line, said in ((b"model", b"model epoll\r\n"),
                                       (b"model poll", b"model poll, after epoll: 1 connections, "),
                                       (b"model  select ", b"model select, after poll: "),
                                       (b"model blocking", b"would hold up all connections"),
                                       (b"model x", b"unknown model x; there are auto, "),
                                       (b"model", b"model select\r\n")):
                        client.sendall(b"hello\n")
                        self.assertTrue(client.recv(100).startswith(answer))
                        terminal.type(line + b"\n")
                        self.assertIn(said, terminal.expect(b">>>"))
                terminal.type(b"quit\n")
                self.assertEqual(terminal.wait(), 0)

    def close_window(self, *prefix):
        """Starts the chat on a terminal that then goes; its process."""
        terminal = Terminal()
        terminal.start(*prefix, POLYIO, "chat", "--listen", "127.0.0.1:0")
        terminal.expect(b"listening on ")
        terminal.expect(b">>>")
        os.close(terminal.slave)
        os.close(terminal.master)
        self.addCleanup(terminal.process.wait)
        self.addCleanup(terminal.process.kill)
        return terminal.process

    def test_a_closed_terminal_stops_it(self):
        self.assertEqual(self.close_window().wait(DEADLINE), 0)

    def test_a_closed_terminal_does_not_stop_it_under_nohup(self):
        process = self.close_window("sh", "-c", 'trap "" HUP; exec "$@"', "sh")
        with self.assertRaises(subprocess.TimeoutExpired):
            process.wait(0.3)
        process.terminate()
        self.assertEqual(process.wait(DEADLINE), 0)

    def test_end_of_file_does_not_stop_it(self):
        terminal = Terminal()
        self.addCleanup(terminal.__exit__)
        terminal.start(POLYIO, "chat", "--listen", "127.0.0.1:0", stderr=subprocess.DEVNULL)
        match = READY.search(terminal.expect(b"\n").decode())
        terminal.expect(b">>>")
        terminal.type(b"\x04")

        class Address:
            host, port = match[1], int(match[2])
        with LineClient(Address) as client:
            client.send(b"on it goes\n")
            self.assertEqual(client.read_line(), client.said(b"on it goes"))
            terminal.process.terminate()
            self.assertEqual(client.read_line(), b"")
        self.assertEqual(terminal.wait(), 0)

    def test_in_the_background(self):
        """`polyio chat &`: what is typed is the shell's, and reading it would stop the server."""
        terminal = Terminal()
        self.addCleanup(terminal.__exit__)
        script = ('"$0" chat --listen 127.0.0.1:0 2>/dev/null & echo "job $!"; read line; '
                  'echo "read $line"; read line; kill $!; wait $!; echo "ended $?"')
        terminal.start("bash", "-mc", script, POLYIO)
        job = int(re.search(r"job (\d+)", terminal.expect(b"\r\n").decode())[1])
        terminal.expect(b"listening on ")
        terminal.expect(b">>>")
        terminal.type(b"mine\n")
        terminal.expect(b"read mine")
        with open(f"/proc/{job}/stat", encoding="ascii") as file:
            self.assertNotEqual(file.read().rsplit(") ", 1)[1][0], "T", "it was stopped")
        terminal.type(b"\n")
        terminal.expect(b"ended 0")

    def test_control_c(self):
        terminal = self.start()
        terminal.type(b"\x03")
        self.assertEqual(terminal.wait(), 0)


class Piped(TestCase):
    def test_quit(self):
        for text in (b"quit\n", b"quit", b"x\nquit\nx\n", b"\r\nquit\r\n"):
            with self.subTest(text=text), Server("chat", stdin=subprocess.PIPE) as server:
                server.process.stdin.write(text)
                server.process.stdin.close()
                self.assertEqual(server.wait(), 0)
                self.assertTrue(server.log().endswith(" stopped\n"), server.log())

    def test_end_of_file(self):
        with Server("chat", stdin=subprocess.PIPE) as server:
            server.process.stdin.write(b"no such thing\n")
            server.process.stdin.close()
            with LineClient(server) as client:
                client.send(b"on it goes\n")
                self.assertEqual(client.read_line(), client.said(b"on it goes"))

    def test_closed_input(self):
        with Server("chat", stdin=None, preexec_fn=lambda: os.close(0)) as server, \
                LineClient(server) as client:
            client.send(b"on it goes\n")
            self.assertEqual(client.read_line(), client.said(b"on it goes"))

    def test_closed_error_output(self):
        """The log does not go to a connection that got its descriptor."""
        with Server("chat", preexec_fn=lambda: os.close(2)) as server, \
                LineClient(server) as client:
            client.send(b"on it goes\n")
            self.assertEqual(client.read_line(), client.said(b"on it goes"))
            client.send(b"quit\n")
            self.assertEqual(client.read_line(), b"")


if __name__ == "__main__":
    main()
