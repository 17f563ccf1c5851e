"""What is searched for: fields, operators and values, checked; as text (`query_text`), as JSON and as a sentence (M6).  Pure.

A query is a list of terms that must all hold.  Every count and length has a limit, and nothing here asks a store: whether
a person or a status of that name is there, shows when the query is put to an account.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from maild.model.address import Address, InvalidAddressError, canonical_domain
from maild.model.moments import Span, read_span
from maild.model.plain_text import few_marks, short
from maild.model.reason import Reason
from maild.model.states import State
from maild.model.words import words_of
from maild.model.written import size_in_bytes

TERMS_MAX = 30
VALUE_MAX = 200
NONE, ME = "none", "me"
"""Values that name nobody, and whoever asks."""


class Field(StrEnum):
    """What of a mail is asked about."""

    TEXT = "text"
    SUBJECT = "subject"
    FROM = "from"
    TO = "to"
    CC = "cc"
    ATTACHMENT = "attachment"
    OWNER = "owner"
    USER = "user"
    CLIENT = "client"
    STATUS = "status"
    STATE = "state"
    REASON = "reason"
    INBOX = "inbox"
    SOURCE = "source"
    IS = "is"
    HAS = "has"
    BEFORE = "before"
    AFTER = "after"
    ON = "on"
    LARGER = "larger"
    SMALLER = "smaller"


class Operator(StrEnum):
    """How the value is compared."""

    CONTAINS = "contains"
    IS = "is"
    DOMAIN_IS = "domain is"


WORDS = frozenset({Field.TEXT, Field.SUBJECT, Field.ATTACHMENT})
"""Fields that are asked by words."""
ADDRESSES = frozenset({Field.FROM, Field.TO, Field.CC, Field.INBOX})
PEOPLE = frozenset({Field.OWNER, Field.USER})
MOMENTS = frozenset({Field.BEFORE, Field.AFTER, Field.ON})
SIZES = frozenset({Field.LARGER, Field.SMALLER})
MARKS = {
    Field.IS: (
        "unread",
        "read",
        "received",
        "filed",
        "unfiled",
        "held",
        "ignored",
        "failed",
        "erased",
        "in",
        "out",
        "shared",
    ),
    Field.HAS: ("attachment", "note", "client", "owner"),
}
"""Fields whose values are a closed list."""


def operators_of(field: Field) -> tuple[Operator, ...]:
    """Return the operators of a field, the usual one first."""
    if field in WORDS:
        return (Operator.CONTAINS,)
    if field in ADDRESSES:
        return (Operator.CONTAINS, Operator.IS, Operator.DOMAIN_IS)
    if field in PEOPLE or field in {Field.CLIENT, Field.SOURCE}:
        return (Operator.CONTAINS, Operator.IS)
    return (Operator.IS,)


class QueryError(ValueError):
    """What was asked cannot be read; the message says where and why."""

    def __init__(self, where: str, why: str) -> None:
        """`where` names the place, as “at character 7”."""
        super().__init__(f"{where}: {why}")
        self.where = where
        self.why = why


class UnknownFieldError(QueryError):
    """There is no such field; the message names the nearest."""

    def __init__(self, where: str, word: str) -> None:
        """`word` stands where a field should."""
        near = difflib.get_close_matches(word.casefold()[:50], [*Field], n=1)
        self.word = short(word)
        self.nearest = near[0] if near else None
        meant = f"; did you mean {near[0]}?" if near else ""
        super().__init__(where, f"there is no field “{self.word}”{meant}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One thing that must hold, or must not."""

    field: Field
    operator: Operator
    value: str
    """In the form in which it is compared."""
    is_not: bool = False
    number: int | None = None
    """What a saved search means by its value, whatever is called so by now; None: whatever is called so."""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "field": self.field.value,
            "operator": self.operator.value,
            "value": self.value,
            "not": self.is_not,
        }

    @property
    def span(self) -> Span:
        """The time that a date names."""
        return read_span(self.value)


@dataclass(frozen=True, slots=True)
class Query:
    """Terms that must all hold; none: every mail."""

    terms: tuple[Term, ...] = ()

    def as_list(self) -> list[dict[str, Any]]:
        """Return the JSON form."""
        return [term.as_dict() for term in self.terms]


def read_terms(terms: Sequence[Any]) -> Query:
    """Return the query in its JSON form.  Raises QueryError."""
    if len(terms) > TERMS_MAX:
        raise QueryError(f"at term {TERMS_MAX + 1}", f"a search has at most {TERMS_MAX} terms")
    return Query(tuple(_term(f"at term {at}", term) for at, term in enumerate(terms, 1)))


def _term(where: str, said: Any) -> Term:
    if not isinstance(said, dict) or not {"field", "value"} <= said.keys():
        raise QueryError(where, "a term has field and value; operator and not may stand beside")
    if strange := sorted(map(str, said.keys() - {"field", "operator", "value", "not"})):
        raise QueryError(where, f"a term has no “{short(strange[0])}”")
    word, value, is_not = said["field"], said["value"], said.get("not", False)
    if not (isinstance(word, str) and isinstance(value, str) and isinstance(is_not, bool)):
        raise QueryError(where, "field and value are texts, and not is true or false")
    field = field_of(where, word)
    said_operator = said.get("operator")
    operator = next((one for one in operators_of(field) if one.value == said_operator), None)
    if said_operator is not None and operator is None:
        known = ", ".join(operators_of(field))
        raise QueryError(
            where, f"{field} is asked with {known}, not with “{short(str(said_operator))}”"
        )
    return checked(where, field, operator, value, is_not=is_not)


def field_of(where: str, word: str) -> Field:
    """Return the field of that name.  Raises UnknownFieldError."""
    try:
        return Field(word.casefold()[:50])
    except ValueError:
        raise UnknownFieldError(where, word) from None


def checked(
    where: str, field: Field, operator: Operator | None, value: str, *, is_not: bool = False
) -> Term:
    """Return a term with its value as it is compared; without an operator, the usual one of such a value.

    Raises QueryError.
    """
    value = unicodedata.normalize("NFC", few_marks(value[: VALUE_MAX + 1].strip()))
    if not value:
        raise QueryError(where, f"the value of {field} is empty")
    if len(value) > VALUE_MAX:
        raise QueryError(where, f"a value has at most {VALUE_MAX} characters")
    if bad := next((char for char in value if not _is_visible(char)), None):
        raise QueryError(where, f"U+{ord(bad):04X} is a character that cannot be seen")
    try:
        operator, value = _compared(field, operator, value)
    except (InvalidAddressError, ValueError) as error:
        raise QueryError(where, f"{field} cannot be “{short(value)}”: {error}") from None
    return Term(field=field, operator=operator, value=value, is_not=is_not)


def _is_visible(char: str) -> bool:
    return char.isprintable() or char in "\u200c\u200d"


def _compared(field: Field, operator: Operator | None, value: str) -> tuple[Operator, str]:
    """Return what a value of this field is compared by.  Raises ValueError, InvalidAddressError."""
    if field in WORDS:
        return Operator.CONTAINS, _worded(value)
    if field in ADDRESSES:
        return _address(field, operator, value)
    if field in PEOPLE or field in {Field.CLIENT, Field.SOURCE}:
        return _named(field, operator, value)
    return Operator.IS, _plain(field, value)


def _plain(field: Field, value: str) -> str:
    """Return what a value is that can only be that.  Raises ValueError."""
    if field in MARKS:
        return _one_of(value.casefold(), MARKS[field])
    if field is Field.STATE:
        return _one_of(value.casefold(), tuple(state.value for state in State))
    if field is Field.REASON:
        return _reason(value)
    if field in MOMENTS:
        read_span(value)
    elif field in SIZES:
        return str(size_in_bytes(_with_binary_unit(value)))
    return value


def _worded(value: str) -> str:
    if next(words_of(value), None) is None:
        raise ValueError("it has no letter and no digit")
    return value


def _address(field: Field, operator: Operator | None, value: str) -> tuple[Operator, str]:
    domain = value.removeprefix("@")
    if operator is None and value.startswith("@") and "." in domain:
        operator = Operator.DOMAIN_IS
    if operator is Operator.DOMAIN_IS:
        return operator, canonical_domain(domain)
    if operator is Operator.IS:
        return operator, Address.parse(value).norm
    if field is not Field.INBOX and not any(char.isalnum() for char in value):
        raise ValueError("it has no letter and no digit")
    return Operator.CONTAINS, value


def _named(field: Field, operator: Operator | None, value: str) -> tuple[Operator, str]:
    if value.casefold() in _SPECIAL.get(field, ()):
        return Operator.IS, value.casefold()
    if operator is Operator.IS and field in PEOPLE:
        return operator, Address.parse(value).norm
    return operator or Operator.CONTAINS, value


def _one_of(word: str, known: tuple[str, ...]) -> str:
    if word not in known:
        raise ValueError(f"it is one of {', '.join(known)}")
    return word


def _reason(value: str) -> str:
    found = Reason.__members__.get(value.upper())
    if found is None or not found.value.states:
        raise ValueError("it is no reason of a mail; docs/reasons.md lists them")
    return found.code


def _with_binary_unit(value: str) -> str:
    """Take the units that people write, and mean the binary ones by them."""
    number = value.rstrip("KMGTkmgtiIbB")
    unit = value[len(number) :].upper().replace("IB", "").removesuffix("B").strip()
    return f"{number.strip()}{unit}iB" if unit in {"K", "M", "G", "T"} else number.strip()


_SPECIAL = {Field.OWNER: {NONE, ME}, Field.USER: {NONE, ME}, Field.CLIENT: {NONE}}

# --- as a sentence --------------------------------------------------------------------------------------------------

_PHRASES = {
    (Field.TEXT, Operator.CONTAINS): "that {have} “{value}”",
    (Field.SUBJECT, Operator.CONTAINS): "whose subject {has} “{value}”",
    (Field.ATTACHMENT, Operator.CONTAINS): "with an attachment whose name {has} “{value}”",
    (Field.FROM, Operator.CONTAINS): "whose sender {has} “{value}”",
    (Field.FROM, Operator.IS): "that {are} from {value}",
    (Field.FROM, Operator.DOMAIN_IS): "that {are} from somebody at {value}",
    (Field.TO, Operator.CONTAINS): "that {are} to an address with “{value}”",
    (Field.TO, Operator.IS): "that {are} to {value}",
    (Field.TO, Operator.DOMAIN_IS): "that {are} to somebody at {value}",
    (Field.CC, Operator.CONTAINS): "that {have} an address with “{value}” in Cc",
    (Field.CC, Operator.IS): "that {have} {value} in Cc",
    (Field.CC, Operator.DOMAIN_IS): "that {have} somebody at {value} in Cc",
    (Field.OWNER, Operator.CONTAINS): "whose owner {is} called “{value}”",
    (Field.OWNER, Operator.IS): "whose owner {is} {value}",
    (Field.USER, Operator.CONTAINS): "that {are} sent by a user who is called “{value}”",
    (Field.USER, Operator.IS): "whose sending user {is} {value}",
    (Field.CLIENT, Operator.CONTAINS): "that {are} filed under a client called “{value}”",
    (Field.CLIENT, Operator.IS): "whose client {is} {value}",
    (Field.INBOX, Operator.CONTAINS): "that {have} come through an inbox with “{value}”",
    (Field.INBOX, Operator.IS): "that {have} come through {value}",
    (Field.INBOX, Operator.DOMAIN_IS): "that {have} come through an inbox at {value}",
    (Field.SOURCE, Operator.CONTAINS): "that {are} collected by a source with “{value}”",
    (Field.SOURCE, Operator.IS): "that {are} collected by the source {value}",
    (Field.STATUS, Operator.IS): "whose status {is} {value}",
    (Field.STATE, Operator.IS): "whose state {is} {value}",
    (Field.REASON, Operator.IS): "whose reason {is} {value}",
    (Field.IS, Operator.IS): "that {are} {value}",
    (Field.HAS, Operator.IS): "that {have} {value}",
    (Field.BEFORE, Operator.IS): "that {are} received before {value}",
    (Field.AFTER, Operator.IS): "that {are} received after {value}",
    (Field.ON, Operator.IS): "that {are} received on {value}",
    (Field.LARGER, Operator.IS): "that {are} larger than {value} octets",
    (Field.SMALLER, Operator.IS): "that {are} smaller than {value} octets",
}
_VERBS = {
    False: {"is": "is", "are": "are", "has": "has", "have": "have"},
    True: {"is": "is not", "are": "are not", "has": "does not have", "have": "do not have"},
}
_MARK_PHRASES = {
    "in": "incoming",
    "out": "outgoing",
    "shared": "in a shared inbox",
    "attachment": "an attachment",
    "note": "a note",
    "client": "a client",
    "owner": "an owner",
}


def explain(query: Query) -> str:
    """Return the query as a sentence."""
    if not query.terms:
        return "All mails."
    return "Mails " + ", and ".join(map(_phrase, query.terms)) + "."


def _phrase(term: Term) -> str:
    if term.value == NONE and term.field not in WORDS | ADDRESSES:
        return f"that {'have a' if term.is_not else 'have no'} {term.field}".replace(
            "a owner", "an owner"
        )
    value = _MARK_PHRASES.get(term.value, term.value) if term.field in MARKS else term.value
    pattern = _PHRASES[term.field, term.operator]
    return pattern.format(value=value, **_VERBS[term.is_not])
