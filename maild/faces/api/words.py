"""The words of requests: what a path, a query or a body may hold.  Core judges what they mean; here only their form."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict

from maild.core.keys import word_among
from maild.model.people import Role
from maild.model.plain_text import storable
from maild.model.writing import TEXT_MAX as TEXT_OF_MAIL_MAX

TEXT_MAX = 10_000
PROSE_MAX = TEXT_OF_MAIL_MAX
LINE_MAX = 1000
LINES_MAX = 500
"""Lines of one bulk request (U9)."""


def role_of(text: str) -> Role:
    """Return the role of one line of many.  Raises RefusedError INVALID_VALUE."""
    return Role(word_among("The role", tuple(Role))(text))


def _storable(text: str) -> str:
    if storable(text) != text:
        raise ValueError("it has characters that no text has")
    return text


Flag = Annotated[bool, Strict()]
Line = Annotated[str, Field(max_length=LINE_MAX), AfterValidator(_storable)]
Prose = Annotated[str, Field(max_length=PROSE_MAX), AfterValidator(_storable)]
Text = Annotated[str, Field(max_length=TEXT_MAX), AfterValidator(_storable)]
Terms = Annotated[
    list[dict[Line, Line | Flag]],
    Field(
        max_length=100,
        description="What must hold, all of it: each with field and value, and operator and not where they are wanted.",
    ),
]

Account = Annotated[
    str | None,
    Query(description="The slug of the account that is meant, where the asker works in several."),
]
Email = Annotated[str, Path(description="Any live address of the user.", max_length=LINE_MAX)]
Address = Annotated[str, Path(description="The address.", max_length=LINE_MAX)]
Id = Annotated[str, Path(description="An id, as lists show it.", max_length=LINE_MAX)]
After = Annotated[
    str | None, Query(description="The `next` of the page before.", max_length=LINE_MAX)
]
Limit = Annotated[int, Query(description="How many at most.", ge=1, le=1000)]


class Asking(BaseModel):
    """The body of a request: what is not known in it is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NewPerson(Asking):
    """A person to be added, or to be invited where maild knows the address."""

    email: Line
    name: Line
    role: Role = Role.MEMBER
    username: Line | None = None
    """To sign in with; the address if left out."""
    password: Text | None = None


class PersonLine(Asking):
    """One line of many; a role that is none is refused with its line."""

    email: Line
    name: Line
    role: Line = Role.MEMBER.value
    username: Line | None = None


class People(Asking):
    """People to be added in one go."""

    users: Annotated[list[PersonLine], Field(max_length=LINES_MAX)]


class UserChanges(Asking):
    """What is to be changed of a user; what is left out stays."""

    name: Line | None = None
    role: Role | None = None
    username: Line | None = None
    digest: Literal["on", "off"] | None = None
    """Whether the daily digest comes; on also goes on after a mailbox was full."""
    notices: Literal["on", "off"] | None = None
    """Whether a mail tells them of mail that they are given."""
    outcome_line: Literal["on", "off"] | None = None
    """Whether they hear what became of their forwards, where the account has it on."""


class Password(Asking):
    """A new password."""

    password: Text


class NewAddress(Asking):
    """Another address of a user."""

    address: Line
    sends_as: Flag = False
    """Mail comes from it; it is no alias."""
    confirm: Flag = False
    """The admin vouches for it: no link is mailed."""


class Code(Asking):
    """A code that was mailed."""

    code: Line


class Invitation(Asking):
    """Somebody who has a login, to be asked to join."""

    email: Line
    role: Role = Role.MEMBER


class InvitationLine(Asking):
    """One invitation of many; a role that is none is refused with its line."""

    email: Line
    role: Line = Role.MEMBER.value


class Invitations(Asking):
    """People to be asked to join in one go."""

    members: Annotated[list[InvitationLine], Field(max_length=LINES_MAX)]


class Access(Asking):
    """An account that somebody would work for."""

    account: Line


class Granted(Asking):
    """With which role."""

    role: Role


CONTACTS_MAX = 1000
Many = Annotated[tuple[Line, ...], Field(max_length=CONTACTS_MAX)]


class NewClientAsked(Asking):
    """A client to be added."""

    name: Line
    contacts: Many = ()
    domains: Many = ()
    key: Line | None = None
    """Its id in the company's own CRM."""


class ListedClient(Asking):
    """What a CRM says of one of its clients; what is left out stays as it is."""

    name: Line
    contacts: Many | None = None
    domains: Many | None = None


class ClientLine(ListedClient):
    """One client of many."""

    key: Line | None = None


class ClientLines(Asking):
    """Clients in one go."""

    clients: Annotated[list[ClientLine], Field(max_length=LINES_MAX)]
    dry_run: Flag = False
    """Only say what would be done."""


class ChangedClient(Asking):
    """What is to be changed of a client; what is left out stays."""

    name: Line | None = None
    key: Line | None = None
    """Empty: it has none any more."""
    add: Many = ()
    """Contact addresses, as by hand: no list takes them away."""
    remove: Many = ()
    add_domains: Many = ()
    remove_domains: Many = ()
