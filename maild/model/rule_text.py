"""A rule as one line that a person types: read, checked, and written back the same for everybody (M11).  Pure.

    subject contains invoice and not from domain is rossi.example: owner = Anna, status = Waiting, stop

Read by hand, character by character: no expression that could backtrack, no nesting, and every count has a limit.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields

from maild.model.address import Address, InvalidAddressError, canonical_domain
from maild.model.letter import Kind
from maild.model.plain_text import short
from maild.model.rules import Condition, Field, Operator, When
from maild.model.written import size_in_bytes

TEXT_MAX = 2000
"""Characters of a rule."""
VALUE_MAX = 200
CONDITIONS_MAX = 20

_PUNCTUATION = frozenset(":,=")
_AND, _OR, _NOT, _STOP = "and", "or", "not", "stop"
_RESERVED = frozenset({_AND, _OR, _NOT})
_JOINERS = frozenset("\u200c\u200d")
"""They belong to words of some scripts, though they print as nothing."""

_TEXTS = frozenset({Field.SUBJECT, Field.TEXT, Field.CLIENT, Field.ATTACHMENT})
_WORDS = {Field.DIRECTION: ("in", "out"), Field.KIND: tuple(kind.value for kind in Kind)}
_OF_TEXTS = (Operator.CONTAINS, Operator.IS, Operator.STARTS_WITH)
_OF_ADDRESSES = (Operator.CONTAINS, Operator.IS, Operator.DOMAIN_IS, Operator.STARTS_WITH)
_OF_SIZES = (Operator.OVER, Operator.UNDER)
_UNITS = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))
_YES_NO = {"yes": True, "no": False}


class RuleSyntaxError(ValueError):
    """The line cannot be read; the message says where and why."""

    def __init__(self, at: int, word: str, why: str) -> None:
        """`at` counts characters from 0."""
        super().__init__(f"at character {at + 1}: {why}")
        self.at = at
        self.word = word
        """What stands there; empty at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acts:
    """What is to be done, in the words of who wrote it; None: nothing is said about it."""

    owner: str | None = None
    status: str | None = None
    file: str | None = None
    unread: bool | None = None
    stop: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """A rule as it was read."""

    when: When
    acts: Acts


def operators_of(name: Field) -> tuple[Operator, ...]:
    """Return the operators that a field can be asked with."""
    if name in _TEXTS:
        return _OF_TEXTS
    if name in _WORDS:
        return (Operator.IS,)
    return _OF_SIZES if name is Field.SIZE else _OF_ADDRESSES


@dataclass(frozen=True, slots=True)
class _Token:
    at: int
    text: str
    is_quoted: bool = False

    @property
    def word(self) -> str:
        """The token as a word of the language; empty where it can be none."""
        return "" if self.is_quoted else self.text.casefold()

    @property
    def is_mark(self) -> bool:
        return not self.is_quoted and self.text in _PUNCTUATION


def read_rule(text: str) -> Written:
    """Return the rule in a line.  Raises RuleSyntaxError."""
    tokens = _Tokens(text)
    when = _when(tokens)
    tokens.take_mark(
        ":", "the acts follow after a colon, as in subject contains invoice: owner = Anna"
    )
    acts = _acts(tokens)
    return Written(when, acts)


def read_when(text: str) -> When:
    """Return conditions that `write_when` wrote.  Raises RuleSyntaxError."""
    tokens = _Tokens(text)
    when = _when(tokens)
    tokens.require_end()
    return when


def write_rule(rule: Written) -> str:
    """Return the line; read again it is the same rule."""
    acts = [
        f"{one.name} = {_written(value)}"
        for one in fields(Acts)
        if isinstance(value := getattr(rule.acts, one.name), str)
    ]
    if rule.acts.unread is not None:
        acts.append(f"unread = {'yes' if rule.acts.unread else 'no'}")
    if rule.acts.stop:
        acts.append(_STOP)
    return f"{write_when(rule.when)}: {', '.join(acts)}"


def write_when(when: When) -> str:
    """Return the conditions of a rule as text."""
    joint = f" {_OR} " if when.is_any else f" {_AND} "
    return joint.join(map(_condition_text, when.conditions))


def _condition_text(condition: Condition) -> str:
    negation = f"{_NOT} " if condition.is_not else ""
    if condition.operator is Operator.THERE:
        return f"{negation}{condition.operator} {condition.field}"
    value = condition.value
    if condition.field is Field.SIZE:
        value = _size_text(int(value))
    return f"{negation}{condition.field} {condition.operator} {_written(value)}"


def _size_text(octets: int) -> str:
    for unit, size in _UNITS:
        if octets and octets % size == 0:
            return f"{octets // size}{unit}"
    return str(octets)


def _written(value: str) -> str:
    """Return a value as it can stand in a line: in quotes where it would be read otherwise."""
    words = value.split(" ")
    is_plain = all(
        word
        and word.casefold() not in _RESERVED
        and not any(char in _PUNCTUATION or char in '"\\' or char.isspace() for char in word)
        for word in words
    )
    if is_plain:
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class _Tokens:
    """The words of a line, one after the other."""

    def __init__(self, text: str) -> None:
        if len(text) > TEXT_MAX:
            raise RuleSyntaxError(
                TEXT_MAX, "", f"the rule is longer than {TEXT_MAX} characters; make two of it"
            )
        self._text = unicodedata.normalize("NFC", text)
        self._tokens = list(self._split())
        self._next = 0

    def _split(self) -> Iterable[_Token]:
        text, at = self._text, 0
        while at < len(text):
            char = text[at]
            if char.isspace():
                at += 1
            elif char in _PUNCTUATION:
                yield _Token(at, char)
                at += 1
            elif char == '"':
                token, at = self._quoted(at)
                yield token
            else:
                start = at
                while at < len(text) and not (text[at].isspace() or text[at] in '":,='):
                    _require_visible(text, at)
                    at += 1
                yield _Token(start, text[start:at])

    def _quoted(self, start: int) -> tuple[_Token, int]:
        found: list[str] = []
        at = start + 1
        while at < len(self._text):
            char = self._text[at]
            if char == '"':
                return _Token(start, "".join(found), is_quoted=True), at + 1
            if char == "\\":
                at += 1
                if self._text[at : at + 1] not in {'"', "\\"}:
                    raise RuleSyntaxError(
                        at - 1, "\\", 'within quotes write \\" for a quote and \\\\ for a backslash'
                    )
                char = self._text[at]
            _require_visible(self._text, at)
            found.append(char)
            at += 1
        raise RuleSyntaxError(start, '"', "these quotes are not closed")

    @property
    def here(self) -> _Token | None:
        """The next token; None at the end."""
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    @property
    def word(self) -> str:
        """The next token as a word; empty where there is none."""
        return "" if self.here is None else self.here.word

    def skip(self) -> None:
        self._next += 1

    def wrong(self, why: str) -> RuleSyntaxError:
        """Return the refusal of what stands here."""
        if self.here is None:
            return RuleSyntaxError(len(self._text), "", f"{why}; the line ends here")
        return RuleSyntaxError(self.here.at, self.here.text, why)

    def take_word(self, *words: str) -> bool:
        """Pass these words, if they stand here one after the other."""
        ahead = self._tokens[self._next : self._next + len(words)]
        if [token.word for token in ahead] != list(words):
            return False
        self._next += len(words)
        return True

    def take_mark(self, mark: str, why: str) -> None:
        if self.here is None or not self.here.is_mark or self.here.text != mark:
            raise self.wrong(why)
        self.skip()

    def require_end(self) -> None:
        if self.here is not None:
            raise self.wrong("nothing more can stand here")

    def take_value(self, *, ends_at: frozenset[str]) -> str:
        """Take a value: words up to a mark or one of these words, or one text in quotes."""
        first = self.here
        if first is None or first.is_mark or (first.word in ends_at):
            raise self.wrong("a value is missing; one that is such a word or mark stands in quotes")
        if first.is_quoted:
            self.skip()
            value = first.text
        else:
            words = []
            while (one := self.here) is not None and not one.is_mark and one.word not in ends_at:
                if one.is_quoted:
                    raise self.wrong("quotes hold the whole value or nothing of it")
                words.append(one.text)
                self.skip()
            value = " ".join(words)
        if not value.strip() or len(value) > VALUE_MAX:
            why = f"a value has 1 to {VALUE_MAX} characters"
            raise RuleSyntaxError(first.at, first.text, why)
        return value


def _require_visible(text: str, at: int) -> None:
    if not (text[at].isprintable() or text[at] in _JOINERS):
        raise RuleSyntaxError(at, text[at], "it is a character that cannot be seen")


def _among(tokens: _Tokens, what: str, known: Iterable[str]) -> RuleSyntaxError:
    """Return the refusal of a word that is none of the known ones, with the nearest of them."""
    names = list(known)
    near = difflib.get_close_matches(tokens.word[:50], names, n=1)
    meant = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(names)}"
    word = "" if tokens.here is None else f" “{short(tokens.here.text)}”"
    return tokens.wrong(
        f"{what} is expected here, not{word}{meant}" if word else f"{what} is missing{meant}"
    )


def _when(tokens: _Tokens) -> When:
    found = [_condition(tokens)]
    joint = tokens.word if tokens.word in {_AND, _OR} else ""
    while tokens.word in {_AND, _OR}:
        if tokens.word != joint:
            raise tokens.wrong("`and` and `or` do not stand in one rule; make two rules of it")
        tokens.skip()
        if len(found) == CONDITIONS_MAX:
            raise tokens.wrong(
                f"a rule has at most {CONDITIONS_MAX} conditions; make two rules of it"
            )
        found.append(_condition(tokens))
    return When(conditions=tuple(found), is_any=joint == _OR)


def _condition(tokens: _Tokens) -> Condition:
    is_not = tokens.take_word(_NOT)
    if tokens.take_word(Operator.THERE.value):
        if not tokens.take_word(Field.ATTACHMENT.value):
            raise _among(tokens, "what it has", [Field.ATTACHMENT.value])
        return Condition(field=Field.ATTACHMENT, operator=Operator.THERE, is_not=is_not)
    name = next((one for one in Field if tokens.word == one.value), None)
    if name is None:
        raise _among(tokens, "a field", [one.value for one in Field] + [Operator.THERE.value])
    tokens.skip()
    is_not ^= tokens.take_word(_NOT)
    operator = next((one for one in operators_of(name) if tokens.take_word(*one.split())), None)
    if operator is None:
        raise _among(tokens, f"an operator of {name}", operators_of(name))
    is_not ^= tokens.take_word(_NOT)
    value = _checked(tokens, lambda: tokens.take_value(ends_at=_RESERVED), name, operator)
    return Condition(field=name, operator=operator, value=value, is_not=is_not)


def _checked(tokens: _Tokens, take: Callable[[], str], name: Field, operator: Operator) -> str:
    """Return a value in the form in which it is compared."""
    first = tokens.here
    text = take()
    assert first is not None  # noqa: S101 - there was a value
    try:
        if name is Field.SIZE:
            return str(size_in_bytes(text))
        if name in _WORDS:
            return _one_of(text.casefold(), _WORDS[name])
        if operator is Operator.DOMAIN_IS:
            return canonical_domain(text.removeprefix("@"))
        if operator is Operator.IS and name not in _TEXTS:
            return Address.parse(text).norm
    except (InvalidAddressError, ValueError) as error:
        raise RuleSyntaxError(first.at, first.text, str(error)) from None
    return text


def _one_of(word: str, known: tuple[str, ...]) -> str:
    if word not in known:
        raise ValueError(f"it is one of {', '.join(known)}")
    return word


@dataclass(slots=True)
class _Said:
    """The acts that were read so far."""

    words: dict[str, str] = field(default_factory=dict)
    unread: bool | None = None
    stop: bool = False


_NAMED = ("owner", "status", "file")


def _acts(tokens: _Tokens) -> Acts:
    said = _Said()
    while True:
        _act(tokens, said)
        if tokens.here is None:
            return Acts(**said.words, unread=said.unread, stop=said.stop)
        tokens.take_mark(",", "acts are parted by commas")


def _act(tokens: _Tokens, said: _Said) -> None:
    name = tokens.word
    if name not in {*_NAMED, "unread", _STOP}:
        raise _among(tokens, "an act", [*_NAMED, "unread", _STOP])
    is_known = name in said.words or (name == "unread" and said.unread is not None)
    if is_known or (name == _STOP and said.stop):
        raise tokens.wrong(f"{name} is said twice")
    tokens.skip()
    if name == _STOP:
        said.stop = True
        return
    tokens.take_mark("=", f"{name} is followed by = and a value")
    if name == "unread":
        if tokens.word not in _YES_NO:
            raise tokens.wrong("unread is yes or no")
        said.unread = _YES_NO[tokens.word]
        tokens.skip()
        return
    said.words[name] = tokens.take_value(ends_at=frozenset())
