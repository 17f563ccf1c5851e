"""Forwards as mail clients write them: the words of `layouts/*.toml` in the shapes below.

A shape is known from the sample or the source that the head of the client's file names.
"""

from __future__ import annotations

import html
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from maild.model.letter import Mailbox

LAYOUTS = Path(__file__).with_name("layouts")
NOTE = "Please file this.\n\nEva"
JANE = Mailbox("jane.roe@client.example", "Jane Roe")
SALES = Mailbox("sales@firm.example", "Sales")
MAX = Mailbox("max@client.example", "Max Mann")
LI = Mailbox("li.wei@partner.example", "Li Wei")
UNDERLINE = "_" * 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """What is forwarded.  An empty field is one that the client leaves out."""

    from_: Mailbox = JANE
    to: tuple[Mailbox, ...] = (SALES,)
    cc: tuple[Mailbox, ...] = (MAX, LI)
    date: str = "7 May 2025 at 09:31:20"
    subject: str = "Offer 4711"
    body: str = "Could you send the offer again?\n\nThe old one ran out in May.\n\nJane"


def plain(box: Mailbox) -> str:
    return f"{box.name} <{box.address}>" if box.name else box.address


def quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """How header lines are written, apart from what the client decides."""

    label: Callable[[str], str] = str
    mailbox: Callable[[Mailbox], str] = plain
    line: Callable[[str], str] = str
    """What becomes of the whole line."""
    each_on_its_own: bool = False
    """Whether lists are broken behind each mailbox."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How a client puts separator, header lines and text together."""

    separator: str = ""
    """With {} for the words of the language."""
    order: str
    """From, Date, To, Cc, Subject, Reply-To."""
    colon: str = ": "
    comma: str = ", "
    below: str = "\n\n"
    """What stands between the last header line and the text."""
    quoted: str = ""
    """What has a > before it: everything, the block with the text, or the text."""
    prefix: str = "Fwd:"
    decides: bool = True
    """Whether the separator says "forward" by itself; otherwise the subject has to."""
    glued: bool = False
    """Whether header lines stand one behind the other on the separator's line."""
    closing: str = ""
    """What stands below the text."""


SHAPES: Mapping[str, Shape] = {
    "alpine": Shape(separator="{}", order="DFTCS"),
    "apple": Shape(separator="{}\n", order="FSDTRC", quoted="block"),
    "apple, all quoted": Shape(separator="{}\n", order="FSDTRC", quoted="all"),
    "claws": Shape(separator="{}\n", order="DFTCS", below="\n\n\n"),
    "evolution": Shape(separator="{}", order="FRTCSD"),
    "geary": Shape(separator="{}\n", order="FSDTC"),
    "gmail": Shape(separator="-" * 10 + " Forwarded message " + "-" * 9, order="FDSTC"),
    "horde": Shape(separator="\n----- {} -----", order="DFRSTC", closing="\n\n----- {} -----"),
    "hubspot": Shape(separator="-" * 10 + " {} " + "-" * 9, order="FDSTC"),
    "ionos": Shape(
        separator="-" * 10 + " {} " + "-" * 10, order="FTCDS", quoted="all", decides=False
    ),
    "kmail": Shape(separator="{}\n", order="SDFTC", closing="\n{}"),
    "mailmate": Shape(separator="{}\n", order="FTCSD", quoted="block"),
    "mailru": Shape(separator="-------- {} --------", order="FTDS"),
    "missive": Shape(separator="-" * 10 + " {} " + "-" * 10, order="FDTCS", quoted="text"),
    "mutt": Shape(separator="----- {} -----\n", order="DFTCS", closing="\n\n----- {} -----"),
    "outlook": Shape(order="FDTCS", comma="; ", decides=False),
    "outlook_live": Shape(
        separator=UNDERLINE, order="FDTCS", comma="; ", decides=False, prefix="Fw:"
    ),
    "outlook_new": Shape(order="FDTCS", below="\n", decides=False),
    "roundcube": Shape(separator="-" * 8 + " {} " + "-" * 8, order="SDFTCR", decides=False),
    "sogo": Shape(separator="-------- {} --------", order="SDFRTC", below="\n\n\n", decides=False),
    "thunderbird": Shape(separator="{}", order="SDFTC", colon=": \t", below="\n\n\n"),
    "yahoo": Shape(
        separator="   ----- {} ----- ",
        order="FTCDS",
        comma="; ",
        below="\n ",
        glued=True,
        prefix="Fw:",
    ),
    "yahoo, from html": Shape(separator="----- {} -----", order="FTCDS", comma="; ", prefix="Fw:"),
}
ENGLISH = {"from": "From", "date": "Date", "to": "To", "cc": "Cc", "subject": "Subject"}
FIELDS = {"F": "from", "D": "date", "T": "to", "C": "cc", "S": "subject", "R": "reply_to"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One client in one language."""

    client: str
    language: str
    shape: Shape
    words: Mapping[str, str]

    @property
    def name(self) -> str:
        """Return what the case is called."""
        return f"{self.client} in {self.language}"

    @property
    def prefix(self) -> str:
        """Return what the client puts before the subject."""
        return self.words.get("prefix") or self.shape.prefix

    def lacks(self, field: str) -> bool:
        """Tell whether nobody knows this field's label."""
        return not self.words.get(field)

    def write(self, original: Original, hand: Hand, *, note: str = NOTE) -> str:
        """Return the text of a forward."""
        if "line" in self.words:
            return self._with_a_line(original, note)
        shape = self.shape
        lines = [self._line(FIELDS[letter], original, hand) for letter in shape.order]
        between = "" if shape.glued else "\n"
        block = between.join(line for line in lines if line)
        text = quoted(original.body) if shape.quoted == "text" else original.body
        text += shape.closing.format(self.words.get("closing", ""))
        words = self.words.get("separator", "").format(sender=plain(original.from_))
        separator = shape.separator.format(words)
        separator += between if separator else ""
        below = f"{block}{shape.below}{text}"
        if shape.quoted == "block":
            below = quoted(below)
        whole = quoted(separator + below) if shape.quoted == "all" else separator + below
        return f"{note}\n\n{whole}" if note else whole

    def _with_a_line(self, original: Original, note: str) -> str:
        line = self.words["line"].format(
            date=original.date, name=original.from_.name, address=original.from_.address
        )
        indented = "\n".join(f"    {row}".rstrip() for row in original.body.split("\n"))
        return f"{note}\n\n{line}\n\n{indented}"

    def _line(self, field: str, original: Original, hand: Hand) -> str:
        value = self._value(field, original, hand)
        if self.lacks(field) or not value:
            return ""
        return hand.line(hand.label(self.words[field] + self.shape.colon) + value)

    def _value(self, field: str, original: Original, hand: Hand) -> str:
        match field:
            case "from":
                return hand.mailbox(original.from_)
            case "to" | "cc":
                boxes = [hand.mailbox(box) for box in getattr(original, field)]
                comma = self.shape.comma
                return (comma.rstrip() + "\n" if hand.each_on_its_own else comma).join(boxes)
            case "reply_to":
                return "Jane <jane@elsewhere.example>"
            case _:
                return original.date if field == "date" else original.subject


@cache
def layouts() -> tuple[Layout, ...]:
    """Return every client in every language."""
    return tuple(_all())


def _all() -> Iterator[Layout]:
    for path in sorted(LAYOUTS.glob("*.toml")):
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        for language, row in document["language"].items():
            words = dict(zip(document["columns"], row, strict=True))
            if path.stem in {"gmail", "outlook_live"}:
                words = ENGLISH | words
            if path.stem == "outlook_live":
                words["date"] = "Sent"
            for client, shape in SHAPES.items():
                if client.partition(",")[0] == path.stem:
                    yield Layout(client=client, language=language, shape=shape, words=words)
            if "line" in words:
                shape = Shape(order="", decides=False, prefix="FW:")
                yield Layout(client=path.stem, language=language, shape=shape, words=words)


def as_html(text: str) -> str:
    """Return a page that shows the text, with quotations as clients draw them."""
    page: list[str] = []
    depth = 0
    for line in text.split("\n"):
        is_quoted = line.startswith(">")
        if is_quoted != bool(depth):
            page.append("<blockquote type=cite>" if is_quoted else "</blockquote>")
            depth = int(is_quoted)
        shown = line.removeprefix(">").removeprefix(" ") if is_quoted else line
        page.append(f"<div>{html.escape(shown) or '<br>'}</div>")
    return "<html><body>" + "\n".join(page) + "</blockquote>" * depth + "</body></html>"
