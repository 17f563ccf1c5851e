"""Subjects that machines write, by the table subjects.toml.  A subject alone never shows a machine."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

_BEFORE = re.compile(r"\W*+(?:(?:warning|error|fatal|failed)\b\W++(?=\w))?+")
_TAG = re.compile(r"\s*+\[[^\]]{1,40}\]")
_LOOKED_AT = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Subjects:
    """subjects.toml, turned round for looking up."""

    exact_bounce: tuple[str, ...]
    likely_bounce: tuple[str, ...]
    answer: tuple[str, ...]
    absent: tuple[str, ...]


@lru_cache(maxsize=1)
def subjects() -> Subjects:
    """Load the table; a mistake in it raises here, on first use."""
    source = files("maild.parse.kinds").joinpath("subjects.toml")
    document = tomllib.loads(source.read_text(encoding="utf-8"))
    languages = document["language"].values()
    exact = tuple(document["bounce"]["exact"])
    return Subjects(
        exact_bounce=exact,
        likely_bounce=(*exact, *document["bounce"]["likely"]),
        answer=tuple(phrase for one in languages for phrase in one["answer"]),
        absent=tuple(phrase for one in languages for phrase in one["absent"]),
    )


def begins_with(subject: str, phrases: tuple[str, ...]) -> bool:
    """Whether a subject begins with one of them, as words of their own where the language parts its words."""
    folded = " ".join(subject[:_LOOKED_AT].casefold().split())
    tag = _TAG.match(folded)
    folded = folded[tag.end() if tag else 0 :]
    before = _BEFORE.match(folded)
    starts = {folded.lstrip(" *-!<>\"'("), folded[before.end() if before else 0 :]}
    # One call for all of them; which of them it is hardly any subject makes one look.
    return any(
        _is_whole(start, phrase)
        for start in starts
        if start.startswith(phrases)
        for phrase in phrases
    )


def _is_whole(text: str, phrase: str) -> bool:
    if not text.startswith(phrase):
        return False
    after = text[len(phrase) : len(phrase) + 1]
    return not after.isalnum() or phrase[-1] > "\u2e80" or not phrase[-1].isalnum()
