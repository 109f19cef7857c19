"""Feeds scripts/structure small trees that break one rule each, and sees that it says so."""
import contextlib
import importlib.machinery
import importlib.util
import io
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CHECK = ROOT / "scripts" / "structure"
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "scripts"))
import co_await_forms  # noqa: E402

loader = importlib.machinery.SourceFileLoader("structure", str(CHECK))
structure = importlib.util.module_from_spec(importlib.util.spec_from_loader("structure", loader))
loader.exec_module(structure)

DOC = """# Structure
<!-- structure: doors -->
| header | opens |
|---|---|
| include/polyio/io/door.hpp | base |

<!-- structure: rooms -->
| floor | room | includes | system I/O | holds |
|---|---|---|---|---|
| 1 | base | none | none | values |
| 2 | os | below | all | calls |
| 3 | coro | below | none | tasks |
| 3 | process | below | all | processes |
| 4 | io | below | `sys/uio.h` | waiting |
| 6 | proto | base | none | bytes |
| 8 | doors | below | none | doors |
| 9 | chat | below | none | the chat |
| 8 | chat/store | below | none | what it keeps |
| 9 | chat/model | below | none | its people |
| 9 | apps | below | none | the program |

<!-- structure: budgets -->
| layer | lines | rooms | is |
|---|---|---|---|
| toolkit | 1,000 | the others | the library |
| chat | 10 | chat, chat/store, chat/model, proto | the chat |
| lab | 10 | lab | not there yet |

<!-- structure: long files -->
| file | lines | why |
|---|---|---|
| `src/base/long.cpp` | 500 | a table |

<!-- structure: long functions -->
| file | function | lines | why |
|---|---|---|---|
"""
HEADER = "// What it is for.\n#pragma once\n"


def run(files, *options):
    """The exit status and output of the check on a tree of `files` (path: text; None: absent)."""
    with tempfile.TemporaryDirectory() as folder:
        listed = {"docs/structure.md": DOC, "src/base/long.cpp": "x;\n" * 500}
        for name, text in {**listed, **files}.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(text, bytes):
                path.write_bytes(text)
            elif text is not None:
                path.write_text(text)
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            status = structure.main(["--root", folder, *options])
        return status, output.getvalue()


class Rules(unittest.TestCase):
    def is_green(self, files):
        status, output = run(files)
        self.assertEqual((status, output.splitlines()[1:]), (0, []), output)

    def is_red(self, files, place, rule, count=1):
        status, output = run(files)
        self.assertEqual(status, 1, output)
        lines = output.splitlines()
        self.assertTrue(any(line.startswith(f"{place}: {rule}: ") for line in lines), output)
        self.assertEqual(len(lines) - 1, count, output)

    def test_a_clean_tree(self):
        self.is_green({
            "include/polyio/base/a.hpp": HEADER,
            "include/polyio/os/b.hpp": HEADER + "#include <sys/socket.h>\n"
                                                "#include <polyio/base/a.hpp>\n",
            "include/polyio/io/c.hpp": HEADER + "#include <polyio/os/b.hpp>\n"
                                                "#include <sys/uio.h>\n",
            "include/polyio/all.hpp": HEADER + "#include <polyio/io/c.hpp>\n",
            "src/io/c.cpp": '#include "d.hpp"\n',
            "src/io/d.hpp": HEADER,
            "apps/polyio/main.cpp": "#include <polyio/io/c.hpp>\n",
            "tests/io/c_test.cpp": "#include <sys/socket.h>\n#include <polyio/proto/x.hpp>\n",
            "docs/picture.png": b"\xff\xfe\x00 \n",
        })

    def test_a_higher_floor(self):
        self.is_red({"src/os/a.cpp": "\n#include <polyio/io/c.hpp>\n"}, "src/os/a.cpp:2", "floors")

    def test_the_same_floor(self):
        self.is_red({"src/coro/a.cpp": "#include <polyio/process/c.hpp>\n"},
                    "src/coro/a.cpp:1", "floors")

    def test_a_room_that_names_what_it_includes(self):
        self.is_red({"src/proto/a.cpp": "#include <polyio/os/c.hpp>\n"},
                    "src/proto/a.cpp:1", "floors")

    def test_a_private_header_of_a_higher_room(self):
        self.is_red({"src/os/a.cpp": '#include "../io/d.hpp"\n', "src/io/d.hpp": HEADER},
                    "src/os/a.cpp:1", "floors")
        self.is_red({"src/os/a.cpp": '#include "io/d.hpp"\n', "src/io/d.hpp": HEADER},
                    "src/os/a.cpp:1", "floors")

    def test_a_door_is_above_the_rooms(self):
        self.is_red({"src/io/a.cpp": "#include <polyio/all.hpp>\n"}, "src/io/a.cpp:1", "floors")
        self.is_red({"src/io/a.cpp": "#include <polyio/io/door.hpp>\n"},
                    "src/io/a.cpp:1", "floors")

    def test_system_headers(self):
        for header in ("sys/socket.h", "sys/epoll.h", "poll.h", "sys/select.h", "liburing.h",
                       "netinet/tcp.h", "sys/eventfd.h", "signal.h", "csignal", "aio.h",
                       "unistd.h", "linux/futex.h"):
            self.is_red({"src/io/a.cpp": f"# include <{header}>\n"}, "src/io/a.cpp:1", "system I/O")
        self.is_red({"src/proto/a.cpp": "#include <sys/uio.h>\n"},
                    "src/proto/a.cpp:1", "system I/O")
        self.is_red({"apps/polyio/a.cpp": "#include <unistd.h>\n"},
                    "apps/polyio/a.cpp:1", "system I/O")

    def test_co_await_is_reported_with_its_line(self):
        self.is_red({"tests/io/a_test.cpp": "Task<> f() {\n  if (co_await g()) h();\n}\n"},
                    "tests/io/a_test.cpp:2", "co_await")

    def test_sizes(self):
        self.is_red({"src/base/a.cpp": "x;\n" * 401}, "src/base/a.cpp:401", "sizes")
        self.is_red({"src/base/long.cpp": "x;\n" * 501}, "src/base/long.cpp:501", "sizes")
        self.is_red({"src/base/long.cpp": None}, "docs/structure.md:1", "sizes")
        self.is_red({"src/base/a.cpp": "// " + "é" * 98 + "\n"}, "src/base/a.cpp:1", "sizes")
        self.is_green({"src/base/a.cpp": "x;\n" * 400, "src/base/b.cpp": "é" * 100 + "\n"})

    def test_functions(self):
        body = "  x;\n" * 68
        long_one = f"void f() {{\n{body}  y;\n}}\n"
        self.is_green({"src/base/a.cpp": f"void f() {{\n{body}}}\n"})
        self.is_red({"src/base/a.cpp": "\n" + long_one}, "src/base/a.cpp:2", "functions")
        row = "| `src/base/a.cpp` | `f` | 71 | a list |\n"
        self.is_green({"docs/structure.md": DOC + row, "src/base/a.cpp": long_one})
        self.is_red({"docs/structure.md": DOC + row, "src/base/a.cpp": "void f() {}\n"},
                    "docs/structure.md:1", "functions")

    def test_budgets(self):
        self.is_red({"src/base/a.cpp": "x;\n" * 300, "src/base/b.cpp": "x;\n" * 201},
                    "docs/structure.md:1", "budgets")
        self.is_red({"src/proto/a.cpp": "x;\n" * 6, "chat/a.cpp": "x;\n" * 5},
                    "docs/structure.md:1", "budgets")
        self.is_red({"lab/a.cpp": "x;\n" * 11}, "docs/structure.md:1", "budgets")
        self.is_green({"tests/base/a.cpp": "x;\n" * 400, "tests/base/b.cpp": "x;\n" * 400,
                       "tests/base/c.cpp": "x;\n" * 400, "chat/page.md": "x\n" * 11})

    def test_members(self):
        header = HEADER + "class A {\n  void f();\n  void g() {}\n};\n"
        self.is_green({"src/base/a.hpp": header, "src/base/a.cpp": "void A::f() {}\n"})
        self.is_red({"src/base/a.hpp": header, "src/base/a.cpp": "void B::f() {}\n"},
                    "src/base/a.hpp:4", "members")

    def test_the_chat_uses_public_headers(self):
        tree = {"src/io/d.hpp": HEADER, "include/polyio/io/c.hpp": HEADER}
        self.is_green({**tree, "chat/a.hpp": HEADER,
                       "chat/b.cpp": "#include <polyio/io/c.hpp>\n#include \"a.hpp\"\n"})
        self.is_red({**tree, "chat/b.cpp": '#include "../src/io/d.hpp"\n'},
                    "chat/b.cpp:1", "public headers")
        self.is_red({**tree, "chat/b.cpp": '#include "io/d.hpp"\n'},
                    "chat/b.cpp:1", "public headers")

    def test_rooms_within_a_layer(self):
        lower = {"chat/store/a.hpp": HEADER}
        self.is_green({**lower, "chat/model/b.cpp": "#include <chat/store/a.hpp>\n"})
        self.is_red({"chat/model/b.hpp": HEADER,
                     "chat/store/a.cpp": "#include <chat/model/b.hpp>\n"},
                    "chat/store/a.cpp:1", "floors")

    def test_headers(self):
        self.is_red({"src/base/a.hpp": "#pragma once\n"}, "src/base/a.hpp:1", "headers")
        self.is_red({"src/base/a.hpp": "// For a.\n\n#pragma once\n"},
                    "src/base/a.hpp:2", "headers")
        self.is_red({"src/base/a.hpp": "// For a.\n"}, "src/base/a.hpp:2", "headers")

    def test_files(self):
        self.is_red({"docs/a.md": "a \nb\n"}, "docs/a.md:1", "files")
        self.is_red({"docs/a.md": "a\nb"}, "docs/a.md:2", "files")
        self.is_red({"docs/a.md": "a\nb\n\n"}, "docs/a.md:3", "files")
        self.is_red({"scripts/a.py": "open('" + "/ho" + "me/someone/x')\n"},
                    "scripts/a.py:1", "files")
        self.is_green({"docs/a.md": "see https://example.org/work/1 and net" + "/wo" + "rk/x\n"})

    def test_folders(self):
        self.is_red({"src/cellar/a.cpp": "x;\n"}, "src/cellar:1", "folders")
        self.is_red({"include/polyio/cellar/a.hpp": HEADER}, "include/polyio/cellar:1", "folders")

    def test_a_missing_table(self):
        status, output = run({"docs/structure.md": "# Structure\n"})
        self.assertEqual(status, 1)
        self.assertIn("docs/structure.md:1: tables: ", output)

    def test_the_command(self):
        command = [sys.executable, str(CHECK), "--root", "nowhere"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (1, ""))

    def test_the_table_option(self):
        status, output = run({"src/io/a.cpp": "x;\ny;\n"}, "--table")
        self.assertEqual(status, 0)
        self.assertRegex(output, r"(?m)^io +1 +2  src/io/a.cpp \(2\)$")
        self.assertRegex(output, r"(?m)^toolkit +502 +1000$")


class CoAwait(unittest.TestCase):
    ALLOWED = """
        co_await x;
        co_await stream.send_all(chunk->bytes());
        { co_await x; }
        if (a) co_await x; else co_await y;
        for (int i = 0; i < 3; ++i) co_await f<int, 2>(i);
        while (true) { auto v = co_await x.y<A, B>(1, g(2)); }
        do co_await x; while (b);
        switch (k) { case Kind::one: co_await x; break; default: co_await y; }
        auto v = co_await x;
        auto& v = co_await x;
        const auto&& v = co_await x;
        const std::expected<Lease, std::error_code> v = co_await stream.receive();
        std::pair<int, std::map<int, int>> v = co_await x;
        Result<>* v = co_await *x;
        int v = co_await std::move(task);
        ::polyio::Result<> v = co_await x();
        decltype(auto) v = co_await x;
        [[maybe_unused]] auto v = co_await x;
        unsigned long v = co_await x;
        co_return co_await x;
        if (a) co_return co_await f(b, c);
        (void)co_await x;
        auto v = co_await io.sleep(std::chrono::milliseconds(3));
        auto v = co_await group.spawn([] { return 1; }, 3);
        auto v = co_await f(1, [&] { return a; });
        co_await f([this, &a] { return a; });
        auto v = co_await f(a[1], b && c, d == 2, e ? 1 : 2, {});
        auto t = [&]() -> Task<> { co_await x; co_return; };
        // if (co_await x)
        auto s = "if (co_await x)"; auto r = R"(f(co_await x))"; char q = '"'; int n = 1'000;
        Awaiter operator co_await() const;
        label: co_await x;
    """
    REFUSED = """
        if (co_await x) y();
        if (auto v = co_await x) y();
        while (co_await x) {}
        switch (co_await x) {}
        for (auto v = co_await x; v; ) {}
        for (auto v : co_await x) {}
        for (; co_await x;) {}
        f(co_await x);
        f(1, co_await x);
        EXPECT_TRUE(co_await x);
        auto v = f(co_await x);
        auto v = (co_await x).value();
        auto v = *co_await x;
        auto v = !co_await x;
        auto v = co_await x && y;
        auto v = co_await x == 3;
        auto v = a ? co_await x : y;
        auto v = a ? y : co_await x;
        auto v = co_await x ? 1 : 2;
        auto v = y + co_await x;
        auto v{co_await x};
        T v(co_await x);
        auto v = T{co_await x};
        auto v = T{1, co_await x};
        auto [a, b] = co_await x;
        v = co_await x;
        v += co_await x;
        a.b = co_await x;
        a->b = co_await x;
        a[1] = co_await x;
        *v = co_await x;
        a::b = co_await x;
        auto a = 1, b = co_await x;
        auto a = b = co_await x;
        if (a) v = co_await x;
        return co_await x;
        co_yield co_await x;
        throw co_await x;
        static_cast<void>(co_await x);
        co_await f(co_await x);
        co_await a, co_await b;
        auto t = [v = co_await x] {};
        co_await f([a] { return a; });
        auto v = co_await f(1, [=] { return a; });
        co_await f([&, a] { return a; });
        co_await f([&b, a = std::move(a)] { return a; });
        co_await f({.a = 1});
        co_await f(T{.a = s});
        co_await f(1, {a, b});
        auto v = co_await f(x) || y;
    """

    def test_what_is_allowed(self):
        for line in filter(None, map(str.strip, self.ALLOWED.splitlines())):
            text = f"Task<> f() {{\n{line}\n}}\n"
            self.assertEqual(list(co_await_forms.check(text)), [], line)

    def test_what_is_refused(self):
        for line in filter(None, map(str.strip, self.REFUSED.splitlines())):
            text = f"Task<> f() {{\n{line}\n}}\n"
            found = list(co_await_forms.check(text))
            self.assertTrue(found and all(at == 2 for at, _ in found), (line, found))

    def test_macros(self):
        text = "#define GET(x) \\\n  auto v = co_await x;\n#include <a>  // co_await\n"
        self.assertEqual([at for at, _ in co_await_forms.check(text)], [2])

    def test_lines_after_comments_and_literals(self):
        text = '/* a\nb */\nauto s = R"x(\n)x";\nvoid f() { g(co_await x); }\n'
        self.assertEqual([at for at, _ in co_await_forms.check(text)], [5])

    def test_a_users_files_are_checked(self):
        with tempfile.TemporaryDirectory() as folder:
            good, bad = Path(folder, "good.cc"), Path(folder, "bad.h")
            good.write_text("Task<> f() { co_await g(); }\n")
            bad.write_text("Task<> f() {\n  if (co_await g()) h();\n}\n")
            self.assertEqual(self.users_check(good), (0, ""))
            status, text = self.users_check(folder)
            self.assertEqual((status, text.count("\n")), (1, 1))
            self.assertIn(f"{bad}:2: ", text)

    @staticmethod
    def users_check(path):
        script = Path(co_await_forms.__file__)
        ran = subprocess.run([sys.executable, script, path], capture_output=True, text=True)
        return ran.returncode, ran.stdout


if __name__ == "__main__":
    unittest.main()
