"""What answers about one mail look like, for the OpenAPI document (M3, M13, E1)."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from maild.faces.api.shapes import Mail
from maild.model.shown import Event, Protection


class Arrival(BaseModel):
    """One time that a mail came in; of an erased mail no more than when, and by which door."""

    at: str
    door: str
    peer: str
    mail_from: str
    """The envelope's sender; empty for bounces."""
    recipients: list[str]
    """Of this account, as the peer wrote them."""
    digest: str
    retries: int
    """How many times the same peer brought the same bytes again."""
    last_retry_at: str | None
    spam_mark: str | None
    """The field by which a filter before the listener called it spam."""
    source: str | None
    """The source's name; null: it came by a door."""
    origin: str | None
    """By what the inbox of a collected mail was known."""
    whole_size: int | None
    """Of a mail whose header alone was fetched: how large it is."""
    spf: str | None


class Note(BaseModel):
    """What somebody noted on a mail."""

    at: str
    by: str | None
    text: str


class File(BaseModel):
    """A part that is not the mail's own text; `path` names it for `/attachments`."""

    name: str
    type: str
    size: int
    path: str


class Box(BaseModel):
    """A mailbox of a header."""

    address: str
    name: str


class Forwarded(BaseModel):
    """The original in a forward (F1)."""

    from_: Box | None = Field(alias="from")
    to: list[str]
    cc: list[str]
    subject: str
    date: str
    """As written there."""
    body: str
    how: str
    confidence: float
    """0 to 1: how sure it is that `from` sent it."""
    message_id: str | None


class Fate(BaseModel):
    """What became of a mail that was written here, for one recipient."""

    address: str
    kind: str
    state: str
    text: str
    tries: int
    next_try_at: str | None
    sent_at: str | None
    errand: str
    report: str | None


class Written(BaseModel):
    """By whom a mail was written, and its fate."""

    act: str
    author: str | None
    author_name: str
    sender: str
    answers: str | None
    """The mail that it answers."""
    recipients: list[Fate]


class Answer(BaseModel):
    """What was written to a mail."""

    id: str
    act: str
    at: str
    by: str | None
    by_name: str


class OneMail(Mail):
    """Everything about a mail but its bytes."""

    arrivals: list[Arrival]
    notes: list[Note]
    written: Written | None
    """Null: it came in."""
    answers: list[Answer]
    readable: bool
    """False: what follows is empty; it could not be read, or is not read yet."""
    degraded: list[str] = Field([])
    """What of it was left out or guessed."""
    date: str | None = None
    """Of its header."""
    reply_to: list[str] = Field([])
    kind: str | None = None
    text: str | None
    note: str | None
    """What the forwarder wrote above the original."""
    attachments: list[File]
    forwarded: Forwarded | None
    calendar: list[Event]
    protection: Protection | None


class Step(BaseModel):
    """One thing that was looked at when a mail was decided."""

    verb: str
    name: str = "note"
    """For programs."""
    text: str
    facts: dict[str, Any] = Field({})


class Decision(BaseModel):
    """An earlier decision."""

    at: str
    trace: list[Step]


class SenderWas(BaseModel):
    """Whose a mail was when it came in."""

    name: str
    address: str | None
    """Null: a person's answer said who it is."""
    literal: str | None


class SenderIs(BaseModel):
    """Who that is today."""

    name: str
    email: str | None
    address_of: str | None
    """Who has that address today."""


class Sender(BaseModel):
    """The user whom a mail was resolved to (U12)."""

    as_it_was: SenderWas
    as_it_is: SenderIs


class Mark(BaseModel):
    """A reason that stands beside a mail's own."""

    code: str
    text: str
    repair: str


class Happening(BaseModel):
    """One line of a mail's history."""

    at: str
    kind: str
    by: str | None
    text: str
    note: str
    """Somebody's own words."""
    change: str | None
    """What `undo` takes."""


class History(BaseModel):
    """What happened to a mail, oldest first."""

    history: list[Happening]


class Explained(Mail):
    """Why a mail is as it is."""

    repair: str
    """What to do, in a few words; empty: nothing."""
    sender: Sender | None
    """Null: it is of no user."""
    arrivals: list[Arrival]
    decided_at: str | None
    trace: list[Step]
    earlier: list[Decision]
    marks: list[Mark]
    same_message_id: list[str]
    """Mails of the account with its Message-ID and other content (D6)."""
    history: list[Happening]
