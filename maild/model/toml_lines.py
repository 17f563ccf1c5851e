"""On which line of a TOML text each key stands, for error messages; tomllib does not say.

Only for text that tomllib has read: nothing is checked here, and text that is not TOML gives a partial answer.
"""

from __future__ import annotations

import contextlib
import re
import tomllib
from dataclasses import dataclass, field

KeyPath = tuple[str | int, ...]

_TOKEN = re.compile(
    r"""
      (?P<newline>\n)
    | (?P<skip>[ \t\r]+|\#[^\n]*)
    | (?P<string>\"{3}(?:\\.|[^\\])*?\"{3,5} | '{3}.*?'{3,5} | "(?:\\.|[^"\\\n])*" | '[^'\n]*')
    | (?P<mark>[\[\]{}=,.])
    | (?P<bare>[^ \t\r\n\[\]{}=,.\#"']+|.)
    """,
    re.VERBOSE | re.DOTALL,
)


def key_lines(text: str) -> dict[KeyPath, int]:
    """Return the line of every key, table and array element; elements of arrays are numbered from 0."""
    scanner = _Scanner(_tokens(text))
    with contextlib.suppress(IndexError, RecursionError):
        scanner.statements()
    return scanner.lines


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    line: int


def _tokens(text: str) -> list[_Token]:
    found = []
    line = 1
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or ""
        if kind != "skip":
            found.append(_Token(kind, match[0], line))
        line += match[0].count("\n")
    found.append(_Token("newline", "\n", line))
    return found


@dataclass(slots=True)
class _Scanner:
    tokens: list[_Token]
    at: int = 0
    lines: dict[KeyPath, int] = field(default_factory=dict)
    repeats: dict[KeyPath, int] = field(default_factory=dict)
    """How many times each [[table]] has stood so far."""

    def statements(self) -> None:
        table: KeyPath = ()
        while self.at < len(self.tokens):
            if self._is("\n"):
                self.at += 1
            elif self._is("["):
                table = self._header()
            else:
                self._pair(table)

    def _is(self, mark: str) -> bool:
        token = self.tokens[self.at]
        return token.kind in {"mark", "newline"} and token.text == mark

    def _note(self, path: KeyPath, line: int) -> None:
        for length in range(1, len(path) + 1):
            self.lines.setdefault(path[:length], line)

    def _header(self) -> KeyPath:
        line = self.tokens[self.at].line
        is_array = self.tokens[self.at + 1].text == "[" and self.tokens[self.at + 1].kind == "mark"
        self.at += 2 if is_array else 1
        names = self._names("]")
        self.at += 2 if is_array else 1
        table = self._resolved(names[:-1]) + tuple(names[-1:])
        if is_array:
            count = self.repeats.get(table, 0)
            self.repeats[table] = count + 1
            table = (*table, count)
        else:
            table = self._resolved(names)
        self._note(table, line)
        return table

    def _resolved(self, names: list[str]) -> KeyPath:
        """Put in the number of the latest element wherever the path goes through a [[table]]."""
        path: KeyPath = ()
        for name in names:
            path = (*path, name)
            if path in self.repeats:
                path = (*path, self.repeats[path] - 1)
        return path

    def _names(self, end: str) -> list[str]:
        names = []
        while not self._is(end):
            token = self.tokens[self.at]
            if not self._is("."):
                names.append(_unquoted(token))
            self.at += 1
        return names

    def _pair(self, table: KeyPath) -> None:
        line = self.tokens[self.at].line
        path = table + tuple(self._names("="))
        self._note(path, line)
        self.at += 1
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        if self._is("["):
            self._array(path)
        elif self._is("{"):
            self._inline_table(path)
        elif self.tokens[self.at].kind == "string":
            self.at += 1
        else:
            while not any(map(self._is, "\n,]}")):
                self.at += 1

    def _array(self, path: KeyPath) -> None:
        self.at += 1
        index = 0
        while not self._is("]"):
            if self._is("\n") or self._is(","):
                self.at += 1
                continue
            element = (*path, index)
            self._note(element, self.tokens[self.at].line)
            self._value(element)
            index += 1
        self.at += 1

    def _inline_table(self, path: KeyPath) -> None:
        self.at += 1
        while not self._is("}"):
            if self._is("\n") or self._is(","):
                self.at += 1
            else:
                self._pair(path)
        self.at += 1


def _unquoted(token: _Token) -> str:
    if token.kind != "string":
        return token.text
    try:
        return str(tomllib.loads(f"key = {token.text}")["key"])
    except ValueError:
        return token.text
