"""Functions and classes of C++ text, for scripts/structure: how long a function is, and which
members a class declares without any source defining them.

It is a scanner, not a compiler. It knows comments, literals, brackets and where a declaration ends.
Members are known by class and name, without namespaces and parameters: an overload that is missing
beside one that is there is not found, and nothing that is defined is ever reported.
"""
import co_await_forms

OPEN, CLOSE = co_await_forms.OPEN, co_await_forms.CLOSE
# Words whose parentheses are not a parameter list.
NOT_NAMES = {"alignas", "decltype", "noexcept", "explicit", "requires", "static_assert", "sizeof",
             "__attribute__", "if", "for", "while", "switch", "return", "catch"}
TYPES = {"class", "struct", "union"}


class Function:
    def __init__(self, owner, name, first, last):
        self.owner, self.name = owner, name  # the class, "" of none; "run", "~Io", "operator()"
        self.first, self.last = first, last  # lines; `last` 0: only declared

    @property
    def lines(self):
        return self.last - self.first + 1


def skip(tokens, index):
    """The index behind the bracket that closes the one at `index`."""
    depth = 0
    while index < len(tokens):
        token = tokens[index][0]
        depth += (token in OPEN) - (token in CLOSE)
        index += 1
        if depth == 0:
            break
    return index


def parameters_at(head):
    """The index of the `(` that opens a declaration's parameters; -1: it declares no function."""
    index = angles = 0
    while index < len(head):
        token = head[index]
        before = head[index - 1] if index else ""
        if token == "operator":
            index += 3 if head[index + 1 : index + 3] == ["(", ")"] else 1
            while index < len(head) and head[index] != "(":
                index += 1
            return index if index < len(head) else -1
        if token == "=" and angles == 0:
            return -1
        if token == "(" and angles == 0 and before not in NOT_NAMES:
            is_name = before.isidentifier() or before == ">"
            return index if is_name and head[index + 1 : index + 2] != ["*"] else -1
        if token in OPEN:
            depth = 0
            while index < len(head):
                depth += (head[index] in OPEN) - (head[index] in CLOSE)
                if depth == 0:
                    break
                index += 1
        angles += (token == "<") - (token == ">" and angles > 0)
        index += 1
    return -1


def without_angles(words):
    """`A<B>::c` without its template arguments."""
    kept, depth = [], 0
    for word in words:
        depth += word == "<"
        if depth == 0:
            kept.append(word)
        depth -= word == ">"
    return kept


def name_of(head, at):
    """(class, name) of the function whose parameters open at head[at]."""
    if "operator" in head[:at]:
        start = len(head[:at]) - 1 - head[:at][::-1].index("operator")
        path, name = without_angles(head[:start]), "".join(head[start:at])
    else:
        words = without_angles(head[:at])
        if not words:
            return "", ""
        path, name = words[:-1], words[-1]
        if path and path[-1] == "~":
            path, name = path[:-1], "~" + name
    owner = path[-2] if len(path) > 1 and path[-1] == "::" else ""
    return owner, name


class Scan:
    """The functions of one text, those declared only too."""

    def __init__(self, text):
        text, _ = co_await_forms.blank_directives(text)
        self.tokens = co_await_forms.tokens_of(text)
        self.functions = []
        self.scope(0, len(self.tokens), "")

    def scope(self, index, end, owner):
        """Declarations of a namespace, or of the class `owner`, between two tokens."""
        start = index
        while index < end:
            token = self.tokens[index][0]
            if token in "([":
                index = skip(self.tokens, index)
            elif token == "{":
                index = self.block(start, index, owner)
                if not self.goes_on(index):
                    start = index
            elif token == ";":
                self.declaration(start, index, owner)
                index = start = index + 1
            elif token == ":" and self.is_access(start, index):
                index = start = index + 1
            else:
                index += 1

    def is_access(self, start, index):
        return index == start + 1 and self.tokens[start][0] in ("public", "private", "protected")

    def goes_on(self, index):
        """Does a declaration continue behind its braces? `int a{1}, b;`, `Foo() : a_{1} {…}`."""
        return index < len(self.tokens) and self.tokens[index][0] in (",", "{", ";")

    def head(self, start, end):
        words = [token for token, _ in self.tokens[start:end]]
        while words[:1] == ["template"] and words[1:2] == ["<"]:
            depth = 0
            for at in range(1, len(words)):
                depth += (words[at] == "<") - (words[at] == ">")
                if depth == 0:
                    break
            words = words[at + 1 :]
        return words

    def block(self, start, brace, owner):
        """What a `{` opens; the index behind its end."""
        head, end = self.head(start, brace), skip(self.tokens, brace)
        while head[:1] in (["inline"], ["export"], ["extern"], ["typedef"]):
            head = head[1:]
        if "namespace" in head or head in ([], ['""']):  # behind a macro, perhaps; extern "C"
            self.scope(brace + 1, end - 1, "")
        elif head[:1] == ["enum"]:
            pass
        elif head[0] in TYPES and parameters_at(head) < 0:
            self.scope(brace + 1, end - 1, self.class_name(head))
        else:
            self.body(start, brace, end, head, owner)
        return end

    @staticmethod
    def class_name(head):
        words, depth = [], 0
        for word in head[1:]:
            if word in (":", "final") and depth == 0:
                break
            depth += (word in "[(") - (word in "])")
            if depth == 0 and word not in "])":
                words.append(word)
        names = [word for word in without_angles(words) if word.isidentifier()]
        return names[-1] if names else ""

    def body(self, start, brace, end, head, owner):
        at = parameters_at(head)
        if at < 0 or self.initialises(head, at):
            return
        self.add(head, at, owner, self.tokens[start][1], self.tokens[end - 1][1])

    @staticmethod
    def initialises(head, at):
        """Is the `{` a member's initialiser, as in `Foo() : a_{1}, b_(2) {}`?"""
        depth = 0
        for index in range(at, len(head)):
            depth += (head[index] in OPEN) - (head[index] in CLOSE)
            if depth == 0 and head[index] == ":":
                return head[-1] not in (")", "}")
        return False

    def declaration(self, start, end, owner):
        head = self.head(start, end)
        if head[:1] in (["using"], ["typedef"], ["friend"], ["extern"], ["static_assert"]):
            return
        at = parameters_at(head)
        if at < 0 or "friend" in head[:at]:
            return
        defined = head[-2:] in (["=", "default"], ["=", "delete"], ["=", "0"])
        self.add(head, at, owner, self.tokens[start][1], self.tokens[end][1] if defined else 0)

    def add(self, head, at, owner, first, last):
        path, name = name_of(head, at)
        self.functions.append(Function(path or owner, name, first, last))


def functions_of(text):
    return Scan(text).functions


def undefined_members(functions):
    """Of {file: its functions}: (file, line, "Class::member") of what is declared only."""
    all_functions = [one for listed in functions.values() for one in listed]
    defined = {(one.owner, one.name) for one in all_functions if one.last}
    for file, listed in functions.items():
        for one in listed:
            if one.owner and not one.last and (one.owner, one.name) not in defined:
                yield file, one.first, f"{one.owner}::{one.name}"
