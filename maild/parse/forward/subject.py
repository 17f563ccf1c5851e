"""What the prefixes of a subject say: forward, reply, or nothing."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from maild.parse.forward.languages import Says, tables
from maild.parse.forward.lines import UNSEEN, fold

_LOOKED_AT = 1_000
_PREFIX_MAX = 20
_TAG_MAX = 60
_STRANGE_MAX = 2
_TAGGED = ("EXT:", "EXTERN:", "EXTERNAL:", "SPAM:")
"""Words that gateways put before a subject, in capitals; any other may be a reply's prefix in a language that we do not know."""
_STARRED = re.compile(r"\*{2,10}[^*]{1,40}\*{2,10}")
_COUNTED = re.compile(r"(\w+)\.? ?(?:\[\d{1,3}\]|\(\d{1,3}\)|\^?\d{1,3})?", re.UNICODE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectLine:
    """A subject taken apart."""

    outermost: Mapping[str, Says]
    """What the first known prefix means, by language; empty when there is none."""
    has_forward: bool
    """Whether a forward prefix stands anywhere among the prefixes."""
    bare: str
    """Folded, without prefixes."""
    strange_first: bool
    """An unknown word that is no gateway's stands before the outermost prefix: the mail may be a reply."""

    def says(self, languages: Collection[str] = ()) -> Says | None:
        """Return the meaning, in those languages where languages differ (VS: is Danish for Fwd:, Finnish for Re:)."""
        meanings = set(self.outermost.values())
        if len(meanings) > 1:
            meanings = {
                self.outermost[language] for language in languages if language in self.outermost
            }
        return meanings.pop() if len(meanings) == 1 else None


def read_subject(subject: str) -> SubjectLine:
    """Take a subject apart.  Tags such as [EXTERN] and up to two unknown words with a colon may stand before."""
    rest = " ".join(subject[:_LOOKED_AT].split()).strip(UNSEEN)
    prefixes: list[Mapping[str, Says]] = []
    bare = rest
    strange = 0
    strange_first = False
    while strange <= _STRANGE_MAX and len(prefixes) < _PREFIX_MAX:
        rest = _less_tag(rest)
        word, colon, after = _split_prefix(rest)
        if not colon:
            break
        meaning = _meaning(word)
        if meaning:
            prefixes.append(meaning)
            bare = after
        elif word.isalpha():
            strange += 1
            strange_first |= not prefixes and not rest.startswith(_TAGGED)
        else:
            break
        rest = after.lstrip()
    pine = fold(subject[-5:]) == "(fwd)"
    if pine and not prefixes:
        prefixes.append({"en": Says.FORWARD})
        bare = bare[:-5]
    return SubjectLine(
        outermost=prefixes[0] if prefixes else {},
        has_forward=pine or any(_is_forward(meaning) for meaning in prefixes),
        bare=fold(bare),
        strange_first=strange_first,
    )


def _is_forward(meaning: Mapping[str, Says]) -> bool:
    return set(meaning.values()) == {Says.FORWARD}


def _meaning(word: str) -> Mapping[str, Says]:
    counted = _COUNTED.fullmatch(word)
    return tables().prefixes.get(counted[1] if counted else word, {})


def _split_prefix(rest: str) -> tuple[str, str, str]:
    head = rest[:_PREFIX_MAX].replace("\uff1a", ":")
    at = head.find(":")
    return ("", "", rest) if at < 1 else (fold(head[:at]), ":", rest[at + 1 :])


def _less_tag(rest: str) -> str:
    """Drop `[EXTERN]`, `***SPAM***` and the bracket of `[Fwd: subject]`."""
    rest = rest.lstrip()
    starred = _STARRED.match(rest)
    rest = rest[starred.end() if starred else 0 :].lstrip("* ")
    while rest.startswith("["):
        word, colon, _ = _split_prefix(rest[1:])
        if colon and _meaning(word):
            return rest[1:].removesuffix("]")
        end = rest.find("]", 0, _TAG_MAX)
        if end < 0:
            break
        rest = rest[end + 1 :].lstrip("* ")
    return rest
