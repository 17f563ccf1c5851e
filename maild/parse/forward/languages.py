"""The tables of languages.toml, loaded once and turned round for looking up."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files
from typing import Any, TypeVar

from maild.parse.forward.lines import fold

_Meaning = TypeVar("_Meaning", bound=StrEnum)


class Field(StrEnum):
    """What a line of a header block holds."""

    FROM = "from"
    TO = "to"
    CC = "cc"
    DATE = "date"
    SUBJECT = "subject"
    OTHER = "other"


class Says(StrEnum):
    """What the prefix of a subject says about the mail."""

    FORWARD = "forward"
    REPLY = "reply"


class Shape(StrEnum):
    """How a separator stands on its line."""

    DASHED = "dashed"
    NAMING = "naming"
    """Dashed, with {sender} somewhere in the phrase."""
    OPENING = "opening"
    RULE = "rule"
    CLOSING = "closing"
    """Dashed, below the original."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Separator:
    """A line that a client writes between note and original."""

    client: str
    decides: bool
    """False where replies of that client carry the same line, so that the subject must decide."""
    english_labels: bool = False
    """Below it only the From label is in the client's language."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """All languages at once.  Every key is folded."""

    languages: frozenset[str]
    labels: Mapping[str, Mapping[str, Field]]
    """Label to what it means in each language that has it."""
    every: Mapping[str, Field]
    """What a label means that is skipped in every language."""
    separators: Mapping[tuple[Shape, str], Separator]
    naming: tuple[tuple[str, str, Separator], ...]
    """What stands before and behind the sender's name, for each separator that has it."""
    prefixes: Mapping[str, Mapping[str, Says]]
    wrote: tuple[str, ...]
    opens: tuple[str, ...]
    behalf: tuple[str, ...]

    def rule(self) -> Separator:
        """Return the separator that is a line of underscores."""
        return self.separators[Shape.RULE, ""]


@lru_cache(maxsize=1)
def tables() -> Tables:
    """Load languages.toml.  A mistake in it raises here, on first use, not in the middle of a mail."""
    source = files("maild.parse.forward").joinpath("languages.toml")
    document = tomllib.loads(source.read_text(encoding="utf-8"))
    languages: dict[str, dict[str, list[str]]] = document["language"]
    every = dict.fromkeys(languages, Field.OTHER)
    everywhere: list[str] = document["every_language"]["other"]
    separators = _separators(document["separator"])
    return Tables(
        languages=frozenset(languages),
        labels=_turned(languages, Field) | dict.fromkeys(map(fold, everywhere), every),
        every=every,
        separators=separators,
        naming=tuple(_naming(separators)),
        prefixes=_turned(languages, Says),
        wrote=tuple(_words(languages, "wrote")),
        opens=tuple(word + " " for word in _words(languages, "opens")),
        behalf=tuple(word + " " for word in _words(languages, "behalf")),
    )


def _naming(
    separators: Mapping[tuple[Shape, str], Separator],
) -> Iterator[tuple[str, str, Separator]]:
    for (shape, phrase), separator in separators.items():
        if shape is Shape.NAMING:
            before, _, behind = phrase.partition("{sender}")
            yield fold(before), fold(behind), separator


def _turned(
    languages: Mapping[str, Mapping[str, list[str]]], meanings: type[_Meaning]
) -> dict[str, dict[str, _Meaning]]:
    """Turn language -> meaning -> words into word -> language -> meaning."""
    found: dict[str, dict[str, _Meaning]] = {}
    for language, table in languages.items():
        for meaning in meanings:
            for word in table[meaning.value]:
                found.setdefault(fold(word), {}).setdefault(language, meaning)
    return found


def _words(languages: Mapping[str, Mapping[str, list[str]]], key: str) -> Iterator[str]:
    yield from sorted({fold(word) for table in languages.values() for word in table[key]})


def _separators(entries: list[dict[str, Any]]) -> dict[tuple[Shape, str], Separator]:
    found: dict[tuple[Shape, str], Separator] = {}
    for entry in entries:
        shape = Shape(entry["shape"])
        one = Separator(
            client=entry["client"],
            decides=entry["means"] == "forward",
            english_labels=entry.get("english_labels", False),
        )
        phrases: dict[str, list[str]] = entry.get("phrases", {"": [""]})
        for phrase in (fold(phrase) for some in phrases.values() for phrase in some):
            known = found.get((shape, phrase))
            found[shape, phrase] = (
                one
                if known is None
                else replace(
                    known,
                    decides=known.decides and one.decides,
                    english_labels=known.english_labels or one.english_labels,
                )
            )
    return found
