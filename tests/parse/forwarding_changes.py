"""What may befall a forward on its way: each change is made to every layout, and what must be read from it stays known."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from maild.model.letter import Mailbox
from tests.parse.forwarding import NOTE, Hand, Layout, Original, as_html, layouts, quoted

_HAND = Hand()
_PLAIN = Original()
MANY = tuple(
    Mailbox(f"person{number}@partner.example", f"Person With-A-Long-Name {number}")
    for number in range(1, 31)
)
HISTORY = "Yes, please.\n\nOn Tue, May 6, 2025 at 8:15 AM Boss <boss@elsewhere.example> wrote:\n\n> Do we need it?\n>\n> Boss"
OLDER = (
    "See below.\n\n---------- Forwarded message ---------\nFrom: Boss <boss@elsewhere.example>\n"
    "Date: Tue, May 6, 2025 at 8:15 AM\nSubject: Older\nTo: <jane.roe@client.example>\n\n\nOlder text"
)
OLDER_OF_OUTLOOK = (
    "See below.\n\nFrom: Boss <boss@elsewhere.example>\nSent: Tuesday, May 6, 2025 8:15 AM\n"
    "To: Jane Roe <jane.roe@client.example>\nSubject: Older\n\nOlder text"
)
AGENDA = "For Monday:\n\nSubject: planning\nDate: 9 May 2025\nPlace: Berlin\n\nTel: 030 2045 1122\nMail: eva@firm.example"
SIGNATURE = "\n\n-- \nEva Ruiz\nTel: 030 2045 1122\nMail: eva@firm.example"
FOOTER = (
    "\n\n_____________________________________________\nFirm Ltd, From here to there.\nThis mail is confidential: To whom "
    "it does not belong, delete it."
)


def _same(text: str) -> str:
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that befalls a forward."""

    name: str
    hand: Hand = _HAND
    original: Original = _PLAIN
    text: Callable[[str], str] = _same
    subject: Callable[[Layout, Original], str] | None = None
    note: str = NOTE
    html: bool = False
    whole: bool = True
    """Whether everything can still be read; otherwise only the sender, or nobody."""
    tears: bool = False
    """Whether header lines are broken: too much for a client that writes all of them on one line."""

    def subject_of(self, layout: Layout) -> str:
        """Return the subject of the forwarding mail."""
        if self.subject is not None:
            return self.subject(layout, self.original)
        return f"{layout.prefix} {self.original.subject}"

    def text_of(self, layout: Layout) -> str:
        """Return its text."""
        return self.text(layout.write(self.original, self.hand, note=self.note))


def _bold(label: str) -> str:
    return f"*{label.strip()}* "


def _non_breaking(text: str) -> str:
    return text.replace(": ", ":\u00a0").replace(" <", "\u00a0<")


def _padded(label: str) -> str:
    return " " * max(0, 14 - len(label)) + label


def _wrapped(line: str) -> str:
    return "\n".join(textwrap.wrap(line, 76, break_long_words=False, break_on_hyphens=False))


def _below_the_note(change: Callable[[list[str], int], list[str]], at: int) -> Callable[[str], str]:
    """Change one of the written lines below the note."""

    def changed(text: str) -> str:
        lines = text.split("\n")
        first = NOTE.count("\n") + 2
        written = [number for number in range(first, len(lines)) if lines[number].strip("> ")]
        return "\n".join(change(lines, written[at])) if at < len(written) else text

    return changed


def _lost(lines: list[str], at: int) -> list[str]:
    return lines[:at] + lines[at + 1 :]


def _joined(lines: list[str], at: int) -> list[str]:
    return [*lines[:at], " ".join(lines[at : at + 2]), *lines[at + 2 :]]


def _broken(lines: list[str], at: int) -> list[str]:
    half = lines[at].find(" ", len(lines[at]) // 2)
    return (
        lines
        if half < 0
        else [*lines[:at], lines[at][:half], lines[at][half + 1 :], *lines[at + 1 :]]
    )


def _parted(lines: list[str], at: int) -> list[str]:
    return [*lines[:at], "what he said is not clear", *lines[at:]]


def _twice(lines: list[str], at: int) -> list[str]:
    return lines[: at + 1] + lines[at:]


def _less_colon(lines: list[str], at: int) -> list[str]:
    return [*lines[:at], lines[at].replace(":", "", 1), *lines[at + 1 :]]


DAMAGES = {
    "lost": _lost,
    "joined to the next": _joined,
    "broken": _broken,
    "parted from those above": _parted,
    "twice": _twice,
    "without its colon": _less_colon,
}


def _with_prefix(prefix: str) -> Callable[[Layout, Original], str]:
    return lambda _, original: f"{prefix}{original.subject}"


def _tagged(layout: Layout, original: Original) -> str:
    return f"[EXTERN] {layout.prefix} {original.subject}"


def _named(name: str) -> Original:
    return Original(from_=Mailbox("jane.roe@client.example", name))


CHANGES: tuple[Change, ...] = (
    Change(name="nothing"),
    Change(name="CRLF", text=lambda text: text.replace("\n", "\r\n")),
    Change(name="HTML only", html=True),
    Change(name="quoted as a whole", text=quoted),
    Change(name="quoted twice", text=lambda text: quoted(quoted(text))),
    Change(name="non-breaking spaces", text=_non_breaking),
    Change(name="bold labels", hand=Hand(label=_bold)),
    Change(name="padded labels", hand=Hand(label=_padded)),
    Change(
        name="link in brackets",
        hand=Hand(mailbox=lambda box: f"{box.name} <{box.address}<mailto:{box.address}>>"),
    ),
    Change(
        name="mailto in square brackets",
        hand=Hand(mailbox=lambda box: f"{box.name} [mailto:{box.address}]"),
    ),
    Change(name="names in quotes", hand=Hand(mailbox=lambda box: f'"{box.name}" <{box.address}>')),
    Change(
        name="names in simple quotes",
        hand=Hand(mailbox=lambda box: f"'{box.name}' <{box.address}>"),
    ),
    Change(name="name with a comma", original=_named("Roe, Jane")),
    Change(name="name with brackets", original=_named("Jane Roe (Client Ltd.)")),
    Change(name="name with square brackets", original=_named("Jane Roe [Client]")),
    Change(name="name with an apostrophe", original=_named("Jane O'Roe")),
    Change(name="no name", original=Original(from_=Mailbox("jane.roe@client.example"))),
    Change(name="a list of thirty", original=replace(_PLAIN, cc=MANY)),
    Change(
        name="a list broken behind each",
        original=replace(_PLAIN, cc=MANY),
        hand=Hand(each_on_its_own=True),
        tears=True,
    ),
    Change(
        name="a list wrapped at 76",
        original=replace(_PLAIN, to=MANY),
        hand=Hand(line=_wrapped),
        tears=True,
    ),
    Change(name="no Cc", original=replace(_PLAIN, cc=())),
    Change(name="no date", original=replace(_PLAIN, date=""), whole=False),
    Change(name="no subject", original=replace(_PLAIN, subject=""), whole=False),
    Change(name="no To", original=replace(_PLAIN, to=()), whole=False),
    Change(name="another prefix", subject=_with_prefix("Fwd: ")),
    Change(name="a tag before the prefix", subject=_tagged),
    Change(name="no prefix", subject=_with_prefix(""), whole=False),
    Change(name="a new subject", subject=lambda *_: "For you", whole=False),
    Change(name="no note", note=""),
    Change(name="an agenda in the note", note=AGENDA),
    Change(name="a signature above", note=NOTE + SIGNATURE),
    Change(name="a signature below", text=lambda text: text + SIGNATURE, whole=False),
    Change(name="a footer below", text=lambda text: text + FOOTER, whole=False),
    Change(name="a reply in it", original=replace(_PLAIN, body=HISTORY)),
    Change(name="an older forward in it", original=replace(_PLAIN, body=OLDER)),
    Change(name="an older one of Outlook in it", original=replace(_PLAIN, body=OLDER_OF_OUTLOOK)),
    Change(
        name="an older forward quoted in it",
        original=replace(_PLAIN, body="See below.\n\n" + quoted(OLDER)),
    ),
    Change(
        name="blank lines everywhere", text=lambda text: text.replace("\n", "\n\n"), whole=False
    ),
)


DAMAGED: tuple[Change, ...] = tuple(
    Change(
        name=f"line {at + 1} {name}, an older forward {how} in it",
        original=replace(_PLAIN, body=older),
        text=_below_the_note(damage, at),
        whole=False,
    )
    for name, damage in DAMAGES.items()
    for at in range(7)
    for how, older in (("of Gmail", OLDER), ("of Outlook", OLDER_OF_OUTLOOK))
)
"""An original that is hurt must not pass the word to an older one below it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """One layout after one change."""

    layout: Layout
    change: Change

    @property
    def name(self) -> str:
        """Return what the case is called."""
        return f"{self.layout.name}, {self.change.name}"

    @property
    def subject(self) -> str:
        """Return the subject of the forwarding mail."""
        return self.change.subject_of(self.layout)

    @property
    def text(self) -> str:
        """Return its text; empty where it has HTML only."""
        return "" if self.change.html else self.change.text_of(self.layout)

    @property
    def html(self) -> str | None:
        """Return its HTML if it has any."""
        return as_html(self.change.text_of(self.layout)) if self.change.html else None

    @property
    def original(self) -> Original:
        """Return what it forwards."""
        return self.change.original

    @property
    def whole(self) -> bool:
        """Tell whether everything can still be read."""
        shape = self.layout.shape
        return self.change.whole and not (self.change.tears and (shape.glued or not shape.order))


def forwards(changes: Iterable[Change]) -> Iterator[Forward]:
    """Return every layout after every change."""
    for change in changes:
        for layout in layouts():
            yield Forward(layout=layout, change=change)
