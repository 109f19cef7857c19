#!/usr/bin/env python3
"""The forms co_await may take where g++ 12 compiles it, checked on C++ tokens.

check(text) yields (line, message). It is a scanner, not a compiler: it knows comments, literals,
brackets and statement ends, which is enough to distinguish the allowed forms from all others.
"""
import pathlib
import re
import sys

TOKEN = re.compile(
    r"""(?P<skip>//(?:\\\n|[^\n])*|/\*.*?\*/|\s+)
      | (?P<raw>(?:u8|[uUL])?R"(?P<mark>[^()\\\s]{0,16})\(.*?\)(?P=mark)")
      | (?P<text>(?:u8|[uUL])?"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
      | (?P<word>[A-Za-z_]\w*)
      | (?P<number>\.?\d(?:'?[\w.]|(?<=[eEpP])[+-])*)
      | (?P<mark2>::|->|&&|\|\||==|!=|<=|>=|\+\+|--|[-+*/%|^&]=|<<)
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
OPEN = {"(": ")", "[": "]", "{": "}"}
CLOSE = {close: start for start, close in OPEN.items()}
DIRECTIVE = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.MULTILINE)
OPERATORS = {"==", "!=", "&&", "||", "?", "+", "-", "/", "%", "|", "^", "=", "+=", "-=", "<=", ">="}

SUFFIXES = {".cpp", ".cc", ".cxx", ".hpp", ".hh", ".hxx", ".h", ".ipp"}
ALLOWED = "write `co_await x;`, `auto v = co_await x;` or `co_return co_await x;`"


def tokens_of(text):
    """[(token, line)] of C++ text; literals become '\"\"', comments and white space vanish."""
    found, line = [], 1
    for match in TOKEN.finditer(text):
        kind, token = match.lastgroup, match.group()
        if match.group("raw") is not None or kind == "text":
            found.append(('""', line))
        elif kind != "skip":
            found.append((token, line))
        line += token.count("\n")
    return found


def blank_directives(text):
    """The text with preprocessor lines emptied, and the lines of co_awaits that were in them."""
    lines = []

    def blank(match):
        code = re.sub(r'//.*|"(?:\\.|[^"\\])*"', "", match.group().replace("\\\n", "\n"))
        for number, part in enumerate(code.split("\n")):
            if re.search(r"\bco_await\b", part):
                lines.append(text.count("\n", 0, match.start()) + 1 + number)
        return "\n" * match.group().count("\n")

    return DIRECTIVE.sub(blank, text), lines


class Scanner:
    def __init__(self, tokens):
        self.tokens = [token for token, _ in tokens]

    def opening(self, index):
        """The index of the bracket that the one at `index` closes."""
        depth = 0
        while index >= 0:
            if self.tokens[index] in CLOSE:
                depth += 1
            elif self.tokens[index] in OPEN:
                depth -= 1
                if depth == 0:
                    return index
            index -= 1
        return -1

    def in_parentheses(self, index):
        """Is `index` directly inside ( ) or [ ], as in for (a; b; c)?"""
        while index > 0:
            index -= 1
            if self.tokens[index] in CLOSE:
                index = self.opening(index)
            elif self.tokens[index] in OPEN:
                return self.tokens[index] != "{"
        return False

    def begins_statement(self, index):
        """Does a statement begin at `index`?"""
        if index == 0:
            return True
        if self.in_parentheses(index):
            return False
        before = self.tokens[index - 1]
        if before in (";", "{", "}", "else", "do"):
            return True
        if before == ")":  # the body of if (…), for (…), while (…)
            start = self.opening(index - 1)
            while start > 0 and self.tokens[start - 1] == "constexpr":
                start -= 1
            return start > 0 and self.tokens[start - 1] in ("if", "for", "while", "switch")
        if before == ":":  # case x:, default:, label:
            start = index - 2
            while start >= 0 and self.tokens[start] not in (";", "{", "}", "(", "?"):
                if self.tokens[start] in ("case", "default"):
                    return True
                start -= 1
            return start == index - 3 and self.tokens[start] not in ("(", "?")
        return False

    def declares_one(self, equals):
        """Is what stands before `=` the declaration of one named variable?"""
        start = equals - 1
        while start >= 0 and self.tokens[start] not in (";", "{", "}", ":", "="):
            start = self.opening(start) if self.tokens[start] in (")", "]") else start
            if start < 0 or self.tokens[start] == "(" and self.tokens[start - 1] != "decltype":
                return False
            start -= 1
        start += 1
        if self.tokens[start - 1] == "=" or not self.begins_statement(start):
            return False
        left = self.tokens[start:equals]
        if left[:2] == ["[", "["]:  # an attribute
            left = left[left.index("]") + 2 :]
        if len(left) < 2 or not left[0].isidentifier() and left[0] != "::":
            return False
        name, kind = left[-1], left[-2]
        depth = 0
        for token in left:
            depth += {"<": 1, ">": -1}.get(token, 0)
            if token == "," and depth == 0 or token in (".", "->"):
                return False
        return name.isidentifier() and (kind.isidentifier() or kind in (">", "&", "&&", "*", ")"))

    def expression(self, index):
        """What is wrong in the expression after the co_await at `index`, or None."""
        depth = []
        position = index + 1
        while position < len(self.tokens):
            token, before = self.tokens[position], self.tokens[position - 1]
            if token in CLOSE:
                if not depth:
                    return "co_await inside a larger expression"
                depth.pop()
            elif token in OPEN:
                depth.append(token)
                after = self.tokens[position + 1]
                if token == "[" and before in ("(", ",", "co_await") and self.owns(position):
                    return "a lambda that captures by value inside a co_await: name it first"
                if token == "{" and before in ("(", ",") and after != "}" or (
                    token == "{" and after == "." and before.isidentifier()
                ):
                    return "a braced temporary inside a co_await expression: name it first"
                if token == "{" and before in (")", "mutable", "noexcept"):  # a lambda's body
                    position = self.closing(position)
                    depth.pop()
            elif token == ";":
                return None
            elif not depth and token in OPERATORS and position > index + 1:
                return "co_await is only a part of this expression"
            elif token == "co_await":
                return "co_await inside another co_await's expression"
            position += 1
        return None

    def owns(self, index):
        """Does the lambda whose captures open at `index` hold anything but references and this?"""
        captures = self.tokens[index + 1 : self.closing(index)]
        starts = captures[:1] + [b for a, b in zip(captures, captures[1:]) if a == ","]
        return any(token not in ("&", "this") for token in starts)

    def closing(self, index):
        depth = 0
        for position in range(index, len(self.tokens)):
            depth += (self.tokens[position] in OPEN) - (self.tokens[position] in CLOSE)
            if depth == 0:
                return position
        return len(self.tokens) - 1

    def place(self, index):
        """What is wrong with where the co_await at `index` stands, or None."""
        before = self.tokens[index - 1] if index else ";"
        if before == "operator":
            return None
        if before == "co_return" and self.begins_statement(index - 1):
            return None
        if before == "=":
            if self.declares_one(index - 1):
                return None
            return "not the declaration of one named variable"
        start = index
        if self.tokens[max(index - 3, 0) : index] == ["(", "void", ")"]:
            start = index - 3
        if self.begins_statement(start):
            return None
        return "co_await stands inside a condition, an argument or a larger expression"


def check(text):
    """Yields (line, message) for each co_await that has none of the allowed forms."""
    if "co_await" not in text:
        return
    text, in_macros = blank_directives(text)
    for line in in_macros:
        yield line, f"co_await inside a macro; {ALLOWED}"
    tokens = tokens_of(text)
    scanner = Scanner(tokens)
    for index, (token, line) in enumerate(tokens):
        if token == "co_await":
            wrong = scanner.place(index)
            if wrong is None and scanner.tokens[index - 1] != "operator":
                wrong = scanner.expression(index)
            if wrong:
                yield line, f"{wrong}; {ALLOWED}"


def main(paths):
    """Checks the files named, and in folders every C++ file; 1 when there is something to say."""
    if not paths or paths[0] in ("-h", "--help"):
        print("usage: co_await_forms.py FILE|FOLDER...\n\n"
              "Finds the co_await expressions that g++ 12 compiles wrongly (docs/handlers.md).\n"
              "Example: co_await_forms.py src/ main.cpp")
        return 0 if paths else 2
    wrong = 0
    for path in map(pathlib.Path, paths):
        if not path.exists():
            print(f"{path}: there is no such file", file=sys.stderr)
            return 2
        inside = sorted(p for p in path.rglob("*") if p.suffix in SUFFIXES)
        for file in inside if path.is_dir() else [path]:
            for line, message in check(file.read_text(encoding="utf-8", errors="replace")):
                print(f"{file}:{line}: {message}")
                wrong = 1
    return wrong


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
