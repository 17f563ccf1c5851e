"""A search as one line that a person types: read, and written back the same for everybody (M6).  Pure.

    to:info@ is:unread -from:@rossi.example status:waiting before:2026-11-01 "offer for you"

Read by hand, character by character, in one pass.
"""

from __future__ import annotations

from dataclasses import dataclass

from maild.model.query import (
    ADDRESSES,
    ME,
    NONE,
    TERMS_MAX,
    Field,
    Operator,
    Query,
    QueryError,
    Term,
    UnknownFieldError,
    checked,
    operators_of,
)

TEXT_MAX = 2000
"""Characters of a search."""

_NOT, _AND, _OR = "not", "and", "or"
_RESERVED = frozenset({_NOT, _AND, _OR})


def read_query(text: str) -> Query:
    """Return the query in a line.  Raises QueryError, UnknownFieldError."""
    return Query(tuple(_Line(text).terms()))


def write_query(query: Query) -> str:
    """Return the line; read again it is the same query."""
    return " ".join(map(_written, query.terms))


def _written(term: Term) -> str:
    sign = "-" if term.is_not else ""
    if term.field is Field.TEXT:
        return sign + _value(term.value, is_bare=True)
    if term.operator is Operator.DOMAIN_IS:
        mark = "@"
    elif (
        term.operator is Operator.IS
        and Operator.CONTAINS in operators_of(term.field)
        and term.value not in {NONE, ME}
    ):
        mark = "="
    else:
        mark = ""
    return f"{sign}{term.field}:{_value(term.value, mark=mark)}"


def _value(text: str, *, mark: str = "", is_bare: bool = False) -> str:
    is_plain = not any(char.isspace() or char in '"\\' for char in text) and not (
        is_bare and (text[0] == "-" or ":" in text or "=" in text or text.casefold() in _RESERVED)
    )
    # In quotes an @ at its beginning is only that, and means no whole domain.
    if is_plain and (mark or is_bare or text[0] not in "=@"):
        return mark + text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'{mark}"{escaped}"'


@dataclass(slots=True)
class _Line:
    """A line, and how far it is read."""

    text: str
    at: int = 0

    def terms(self) -> list[Term]:
        if len(self.text) > TEXT_MAX:
            raise QueryError(
                f"at character {TEXT_MAX + 1}", f"a search has at most {TEXT_MAX} characters"
            )
        found: list[Term] = []
        while self._skip_spaces():
            if len(found) == TERMS_MAX:
                raise self._wrong(self.at, f"a search has at most {TERMS_MAX} terms")
            term = self._term()
            if term is not None:
                found.append(term)
        return found

    def _term(self) -> Term | None:
        start, is_not, is_open = self.at, False, False
        while (word := self._joint()) is not None:
            if word == _OR:
                raise self._wrong(
                    start, "every term must hold; for either of two, search twice (in quotes: “or”)"
                )
            if word == _AND:
                if is_open:
                    raise self._wrong(start, "“and” stands behind what says not (in quotes: “and”)")
                return None
            is_not, is_open = not is_not, True
            if not self._skip_spaces():
                raise self._wrong(start, "nothing stands behind what says not")
        return self._plain_term(is_not=is_not)

    def _joint(self) -> str | None:
        """Pass a word that joins terms, or a minus; None where a term begins."""
        if self.text[self.at] == "-" and self.text[self.at + 1 : self.at + 2].strip():
            self.at += 1
            return _NOT
        word = self._run(self.at).casefold()
        if word not in _RESERVED:
            return None
        self.at += len(word)
        return word

    def _plain_term(self, *, is_not: bool) -> Term:
        start = self.at
        where = f"at character {start + 1}"
        name = self._field_name()
        if name is None:
            return checked(where, Field.TEXT, None, self._take(), is_not=is_not)
        value_at = self.at
        operator = None
        if self.text[value_at : value_at + 1] == "=":
            operator = Operator.IS
            self.at += 1
        elif name in ADDRESSES and self.text[value_at : value_at + 2] == '"@':
            operator = Operator.CONTAINS
        is_domain = self.text[self.at : self.at + 2] == '@"'
        self.at += is_domain
        if not self.text[self.at : self.at + 1].strip():
            raise self._wrong(value_at, f"{name} has no value")
        where = f"at character {self.at + 1}"
        value = ("@" if is_domain else "") + self._take()
        if operator is Operator.IS and operator not in operators_of(name):
            operator = None  # `subject=offer`: words are only ever contained.
        if operator is Operator.IS and name in ADDRESSES and value.startswith("@"):
            operator = Operator.DOMAIN_IS
        return checked(where, name, operator, value, is_not=is_not)

    def _field_name(self) -> Field | None:
        """Pass the name of a field and its mark; None where a bare word begins."""
        if self.text[self.at] == '"':
            return None
        end = self.at
        while end < len(self.text) and self.text[end].isalpha():
            end += 1
        mark = self.text[end : end + 1]
        word = self.text[self.at : end]
        if not word or mark not in {":", "="}:
            return None
        known = next((one for one in Field if one.value == word.casefold()), None)
        if known is None:
            if mark == "=":
                return None
            raise UnknownFieldError(f"at character {self.at + 1}", word)
        self.at = end + (mark == ":")
        return known

    def _take(self) -> str:
        """Pass a value: a text in quotes, or what stands up to the next space."""
        if self.text[self.at] != '"':
            value = self._run(self.at)
            self.at += len(value)
            return value
        start = self.at
        kept: list[str] = []
        at = start + 1
        while at < len(self.text):
            char = self.text[at]
            if char == '"':
                self.at = at + 1
                return "".join(kept)
            if char == "\\" and self.text[at + 1 : at + 2] in {'"', "\\"}:
                at += 1
                char = self.text[at]
            kept.append(char)
            at += 1
        raise self._wrong(start, "these quotes are not closed")

    def _run(self, at: int) -> str:
        end = at
        while end < len(self.text) and not self.text[end].isspace():
            end += 1
        return self.text[at:end]

    def _skip_spaces(self) -> bool:
        """Pass white space; return whether anything follows."""
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        return self.at < len(self.text)

    def _wrong(self, at: int, why: str) -> QueryError:
        return QueryError(f"at character {at + 1}", why)
