"""What answers look like, for the OpenAPI document, where core has no type of its own for it."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from maild.core.absence import AbsenceView
from maild.core.accounts import AccountView
from maild.core.clients import ClientView
from maild.core.importing import Outcome
from maild.core.joining import MemberView
from maild.core.logins import LoginView
from maild.core.people_views import AddressView, StandingView
from maild.core.profiles import ProfileView
from maild.core.rules import RuleView
from maild.core.sessions import SessionView
from maild.core.tags import Question
from maild.core.templates import TemplateView
from maild.core.tokens import TokenView
from maild.core.undo_change import ChangeView
from maild.core.webhook_views import HookView, PostView
from maild.model.scope import Scope
from maild.model.way import Way
from maild.model.webhook import HookState


class WrongPlace(BaseModel):
    """One place of a request that is not as documented."""

    where: str
    """As body.email."""
    why: str


class Problem(BaseModel):
    """A refusal (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    """What went wrong and what to do, for people; it may change."""
    code: str
    """What programs match; docs/reasons.md has them all."""
    actions: list[Way]
    """Ways out."""
    errors: list[WrongPlace] = []
    """Of INVALID_REQUEST: what is wrong, place by place."""


class Message(BaseModel):
    """What is to be said, and nothing else."""

    message: str


class AddedUser(BaseModel):
    """A user that was added, and what was warned of or is to be asked."""

    id: str
    email: str | None
    name: str
    kind: str
    username: str | None
    has_password: bool
    active: bool
    disabled_at: datetime | None
    created_at: datetime
    digest: str
    notices: str
    outcome_line: str
    addresses: list[AddressView]
    memberships: list[StandingView]
    outcome: str
    warnings: list[str]
    question: Question | None


class MadeToken(BaseModel):
    """A token, and its secret for this one time."""

    id: str
    email: str | None
    account: str | None
    name: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    active: bool
    scope: Scope
    secret: str


class Accounts(BaseModel):
    """The asker's accounts."""

    accounts: list[AccountView]


class Addresses(BaseModel):
    """Every address that a user has or had, oldest first."""

    addresses: list[AddressView]


class Members(BaseModel):
    """Memberships, in every state."""

    members: list[MemberView]


class Logins(BaseModel):
    """A person's logins."""

    logins: list[LoginView]


class Sessions(BaseModel):
    """Sessions."""

    sessions: list[SessionView]


class Tokens(BaseModel):
    """Tokens, without their secrets."""

    tokens: list[TokenView]


class Changes(BaseModel):
    """Changes, newest first."""

    changes: list[ChangeView]


class Rules(BaseModel):
    """An account's rules, in the order in which they are heard."""

    rules: list[RuleView]


class Profiles(BaseModel):
    """The saved searches that the asker sees, pinned ones first."""

    profiles: list[ProfileView]


class Templates(BaseModel):
    """The templates that the asker can use, by name."""

    templates: list[TemplateView]


class Lines(BaseModel):
    """What became of each line."""

    lines: list[Outcome]


class ClientPage(BaseModel):
    """Clients, oldest first; `next` begins the page that follows."""

    clients: list[ClientView]
    next: str | None


class Client(BaseModel):
    """A client that a mail is filed under."""

    id: str
    name: str
    how: str


class Answering(BaseModel):
    """Somebody is answering a mail."""

    user: str | None
    name: str
    since: datetime
    text: str
    """As `Jan is answering since 10:42 UTC`."""


class Mail(BaseModel):
    """A mail in lists."""

    id: str
    account: str
    inbox: str
    state: str
    reason: str | None
    reason_text: str
    received_at: str
    door: str
    from_: str | None = Field(alias="from")
    from_name: str | None
    to: list[str]
    cc: list[str]
    subject: str | None
    message_id: str | None
    size: int
    digest: str
    user: str | None
    owner: str | None
    unread: bool | None
    unread_because: str | None
    status: str | None
    clients: list[Client]
    direction: str | None
    version: int | None
    """Of its place in a mailbox; null: it lies in none."""
    beside: list[str]
    answering: Answering | None
    """Who is writing an answer; None: nobody says so."""


class MailPage(BaseModel):
    """Mails, newest first; `next` begins the page that follows."""

    mails: list[Mail]
    next: str | None
    notes: list[str]
    """What of the search names nothing that is there."""


class Absences(BaseModel):
    """Who is away, and who will be."""

    absences: list[AbsenceView]


class Webhooks(BaseModel):
    """An account's webhooks, the oldest first."""

    webhooks: list[HookView]


class MadeWebhook(BaseModel):
    """A webhook, and its new secret for this one time."""

    id: str
    account: str
    url: str
    events: list[str]
    state: HookState
    paused_because: str | None
    paused_at: datetime | None
    backlog: int
    waiting: int
    dead: int
    is_failing: bool
    last_taken_at: datetime | None
    last_error: str | None
    last_error_at: datetime | None
    next_try_at: datetime | None
    old_secret_until: datetime | None
    created_at: datetime
    secret: str
    """As whsec_…; it verifies the signatures."""


class WebhookPosts(BaseModel):
    """Events that a receiver did not take, the oldest first."""

    events: list[PostView]
    next: str | None
    """The cursor of the page after this one; null: there is none now."""
