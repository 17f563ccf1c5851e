"""Reading the line above a quotation: `On 3 May 2025 at 9:31, Ann <ann@client.example> wrote:`, in any language."""

from __future__ import annotations

import re
from dataclasses import dataclass

from maild.model.letter import Mailbox
from maild.parse.forward.languages import tables
from maild.parse.forward.lines import Lines, fold
from maild.parse.forward.mailbox_line import has_address, read_one

_ATTRIBUTION_MAX = 400
_LINES_MAX = 4
_CLOCK_OR_YEAR = re.compile(r"(?<!\d)\d{1,2}[:.h]\d\d(?!\d)|(?<!\d)(?:19|20)\d\d(?!\d)")
_NUMBERS = re.compile(r"\d+")
_HALVES_OF_A_DAY = frozenset({"am", "pm", "a.m", "p.m"})
_NAME = re.compile(r"[\"„«]\s?([^\"„“”«»<>]{1,100}?)\s?[\"“”»]\s*[<(]|^([^\d,:<>\"„«]{1,100}) [<(]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """One such line, joined where it was wrapped."""

    content: str
    start: int
    """The number of the line on which it begins."""


def attribution_at(lines: Lines, at: int) -> Attribution | None:
    """Return the attribution that ends on a line."""
    content = lines[at].content
    if content[-1:] not in {":", "\uff1a"} or len(content) > _ATTRIBUTION_MAX:
        return None
    if is_attribution(content):
        return Attribution(content=content, start=at)
    for above in range(at - 1, max(at - _LINES_MAX, -1), -1):
        line = lines[above]
        if line.blank or len(line.content) + len(content) > _ATTRIBUTION_MAX:
            return None
        content = f"{line.content} {content}"
        if _may_begin(line.content) and is_attribution(content):
            return Attribution(content=content, start=above)
    return None


def _may_begin(content: str) -> bool:
    """Tell whether an attribution may begin on a line that does not end it."""
    if content.endswith("<") or (fold(content) + " ").startswith(tables().opens):
        return True
    return has_address(content) and _has_verb(content)


def _has_verb(content: str) -> bool:
    folded = f" {fold(content)} ".replace(":", " ")
    return any(f" {verb} " in folded for verb in tables().wrote)


def is_attribution(content: str) -> bool:
    """Tell whether a line that ends with a colon names a writer and a time, in any language."""
    if has_address(content) and _CLOCK_OR_YEAR.search(content):
        return True
    if not _has_verb(content):
        return False
    return has_address(content) or len(_NUMBERS.findall(content)) >= 3


def writer(content: str) -> Mailbox | None:
    """Return who wrote; the name only where marks show how far it reaches.  None without exactly one address."""
    found = read_one(content)
    if found is None:
        return None
    name = _NAME.search(content)
    return Mailbox(found.address, (name[1] or name[2]).strip() if name else "")


def written_at(content: str, address: str) -> str:
    """Return the time as written: from the first number to the last, and the half of the day behind it."""
    words = content.replace(address, " ").rstrip(":\uff1a").split()
    numbered = [at for at, word in enumerate(words) if any(char.isdigit() for char in word)]
    if not numbered:
        return ""
    end = numbered[-1] + 1
    if end < len(words) and words[end].casefold().strip(".,") in _HALVES_OF_A_DAY:
        end += 1
    return " ".join(words[numbered[0] : end]).strip(",")
