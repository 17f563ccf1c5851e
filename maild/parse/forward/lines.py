"""The text of a mail as lines with their depth of quotation.  Only the head is looked at line by line."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from maild.model.plain_text import few_marks

MAX_LINES = 5_000
MAX_CHARS = 512 * 1024
"""An original that begins below this many lines or characters is not found; its body may reach as far as it likes."""
MAX_DEPTH = 32
_UNQUOTED_MAX = 4
"""So often whole mails are quoted, one forward after the other."""
_UNSEEN = "".join(
    chr(code)
    for code in (
        0xAD,
        0x61C,
        *range(0x200B, 0x2010),
        *range(0x202A, 0x202F),
        *range(0x2060, 0x206A),
        0xFEFF,
    )
)
UNSEEN = _UNSEEN
"""Zero-width and direction marks: they never show, so they never make a difference in a label."""
_DROP_UNSEEN = dict.fromkeys(map(ord, _UNSEEN))
_AROUND = " \t\v\f\u00a0\u202f\u3000" + _UNSEEN
_ONE_LEVEL = re.compile(r"^[ \t]{0,3}> ?", re.MULTILINE)


@lru_cache(maxsize=4096)
def fold(words: str) -> str:
    """Return the words for comparing: one case, one kind of space, no bold stars, no marks."""
    if not words.isascii():
        words = unicodedata.normalize("NFKC", few_marks(words.translate(_DROP_UNSEEN)))
    return " ".join(words.casefold().split()).strip("*_ ")


@dataclass(frozen=True, slots=True)
class Line:
    """One line less its quotation signs and the space around it."""

    depth: int
    """How many `>` stand before it."""
    content: str

    @property
    def blank(self) -> bool:
        """Whether nothing stands on the line but quotation signs."""
        return not self.content


class Lines:
    """The first lines of a text, peeled when asked for and once only, and the rest as it is."""

    def __init__(self, text: str) -> None:
        """Split the head of the text; linear in its size."""
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        cut = len(text)
        if cut > MAX_CHARS:
            newline = text.rfind("\n", 0, MAX_CHARS)
            cut = MAX_CHARS if newline < 0 else newline + 1
        parts = text[:cut].split("\n", MAX_LINES)
        beyond = parts.pop() if len(parts) > MAX_LINES else ""
        self.raw = parts
        self.beyond = beyond + text[cut:]
        self._peeled: dict[int, Line] = {}

    def __len__(self) -> int:
        """Return how many lines are looked at."""
        return len(self.raw)

    def __getitem__(self, at: int) -> Line:
        """Return the line with this number, counted from 0."""
        line = self._peeled.get(at)
        if line is None:
            line = self._peeled[at] = peel(self.raw[at])
        return line

    def next_written(self, at: int, *, within: int) -> int | None:
        """Return the number of the first line from `at` on that is not blank, skipping `within` blank ones at most."""
        for number in range(at, min(len(self), at + within + 1)):
            if not self[number].blank:
                return number
        return None

    def above(self, at: int) -> str:
        """Return what stands above a line, stripped, and unquoted where all of it is quoted."""
        text = "\n".join(self.raw[:at])
        for _ in range(_UNQUOTED_MAX):
            text = unquote(text)
        return text.strip()

    def below(self, at: int, *, depth: int, first: str = "") -> str:
        """Return the text from line `at` on.

        Where the header block was quoted, it ends with the quotation; where all of it is quoted, it is unquoted.
        """
        if depth == 0:
            rest = "\n".join([*([first] if first else []), *self.raw[at:]])
            whole = rest + ("\n" + self.beyond if self.beyond else "")
            return unquote(whole).strip("\n").strip()
        return unquote(self._quoted_below(at, depth)).strip()

    def _quoted_below(self, at: int, depth: int) -> str:
        kept: list[str] = []
        waiting = 0
        torn = False
        for number in range(at, len(self)):
            line = self[number]
            if line.depth >= depth or torn:
                kept.extend([""] * waiting)
                waiting = 0
                kept.append(_less(self.raw[number], depth))
            elif line.blank:
                waiting += 1
            elif waiting or not kept or not kept[-1].strip():
                return "\n".join(kept)
            else:
                # A quoted line goes on without its sign: the quoting was torn by wrapping and bounds nothing.
                torn = True
                kept.append(self.raw[number])
        return "\n".join(kept) + ("\n" + _less(self.beyond, depth) if self.beyond else "")


def peel(raw: str) -> Line:
    """Count and remove the quotation signs of a line."""
    content = raw.strip(_AROUND)
    depth = 0
    while content[:1] == ">" and depth < MAX_DEPTH:
        run = len(content) - len(content.lstrip(">"))
        depth += run
        content = content[run:].lstrip(_AROUND)
    return Line(min(depth, MAX_DEPTH), content)


def unquote(text: str) -> str:
    """Take one level of quotation away if every written line has it."""
    written = False
    for line in text.split("\n"):
        if line.strip():
            if not line.lstrip(" \t").startswith(">"):
                return text
            written = True
    return _ONE_LEVEL.sub("", text) if written else text


def _less(raw: str, levels: int) -> str:
    for _ in range(levels):
        raw = _ONE_LEVEL.sub("", raw)
    return raw
