"""What an inbox does with a mail: every cell of the table in docs/rules.md, from the door to the mailbox (F1-F7, I1-I3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from sqlalchemy import insert, select

from maild.core.addresses import add_address
from maild.core.app import OPERATOR, App
from maild.core.clients import NewClient, add_client
from maild.core.drops import show_drop
from maild.core.inboxes import set_inbox
from maild.core.people import NewUser, add_user, set_active
from maild.core.seal import SealingKey
from maild.model.envelope import Trust
from maild.model.people import Role
from maild.model.written import SpamHeader
from maild.store import outbox_tables, people_tables, schema
from tests.core.company import SIGNED_IN, Post, a_company
from tests.core.firm import FORWARD

CRM, INFO = "crm@acme.example", "info@acme.example"
EVA, JAN, LEA = "eva@acme.example", "jan@acme.example", "lea@acme.example"
ANNA, NINA = "anna@rossi.example", "nina@novum.example"
FILTERED = Trust(spam_headers=(SpamHeader("X-Spam-Flag", "YES"),))

Setting = Callable[[App], object]


@pytest.fixture
def post(app: App) -> Post:
    a_company(app)
    return Post(replace(app, key=SealingKey.of("0123456789abcdef" * 3)))


def nothing(_: App) -> None:
    """The company as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One mail on its way to an inbox."""

    from_: str = EVA
    to: str = ""
    """The header's To; empty: the inbox."""
    body: str = "Hello"
    more: str = ""
    trust: Trust | None = None
    at: str = ""
    """The envelope's recipient, where it is another than the inbox."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """What becomes of it.  `owner` and `unread` None: it lies in no mailbox."""

    state: str
    reason: str
    owner: str | None = LEA
    unread: bool | None = True
    direction: str = "in"
    user: str | None = None
    claimed: str | None = None


def in_evas(state: str, reason: str, direction: str = "in") -> End:
    """What she sent through a forward inbox lies with her, read."""
    return End(state=state, reason=reason, owner=EVA, unread=False, direction=direction, user=EVA)


def outcome(post: Post, inbox: str, sent: Sent) -> End:
    """Send a mail through the door, have it decided, and say where it lies."""
    content = post.mail(sent.from_, to=sent.to or inbox, body=sent.body, more=sent.more)
    [answer] = post.send(content, sent.at or inbox, trust=sent.trust)
    assert answer.is_accepted
    post.decide()
    row = post.lies()[-1]
    claimed = (
        select(people_tables.addresses.c.norm)
        .join(
            schema.deliveries,
            schema.deliveries.c.claimed_user_id == people_tables.addresses.c.user_id,
        )
        .where(people_tables.addresses.c.kind == "primary", schema.deliveries.c.ulid == row["ulid"])
    )
    with post.app.store.read() as tx:
        of = tx.connection.execute(claimed).scalar_one_or_none()
    return End(
        state=str(row["state"]),
        reason=row["reason"],
        owner=row["owner"],
        unread=None if row["unread"] is None else bool(row["unread"]),
        direction=row["direction"],
        user=row["user"],
        claimed=of,
    )


def two_clients(app: App) -> object:
    """Anna is a contact of two clients."""
    return add_client(app, NewClient(name="Bianchi", contacts=[ANNA]), by=OPERATOR)


def novum_by_domain(app: App) -> object:
    return add_client(app, NewClient(name="Novum", domains=["novum.example"]), by=OPERATOR)


def eva_is_inactive(app: App) -> object:
    return set_active(app, EVA, active=False, by=OPERATOR)


def eva_has_home(app: App) -> object:
    """An alias that nobody has confirmed yet."""
    return add_address(app, EVA, "eva@home.example", sends_as=False, confirm=False, by=OPERATOR)


def info_requires(app: App) -> object:
    return set_inbox(app, INFO, {"sender_policy": "require"}, by=OPERATOR)


def crm_shares(app: App) -> object:
    return set_inbox(app, CRM, {"unknown_policy": "share"}, by=OPERATOR)


def an_inbox_of_beta(app: App) -> object:
    """Another account, where Olga works; Acme does not know her."""
    from maild.core.accounts import add_account

    add_account(app, slug="beta", name="Beta", by=OPERATOR)
    new = NewUser(email="olga@beta.example", name="Olga", role=Role.ADMIN)
    return add_user(app, new, account="beta", by=OPERATOR)


def tagged(app: App) -> object:
    """Two of Eva's addresses have the base eva.m@web.example, which is nobody's."""
    for tag in ("crm", "home"):
        address = f"eva.m+{tag}@web.example"
        add_address(app, EVA, address, sends_as=False, confirm=True, by=OPERATOR)
    return None


# --- one proven user, a forward -----------------------------------------------------------------------------------------

A_FORWARD = Sent(body=FORWARD, trust=SIGNED_IN)
NOT_READABLE = replace(A_FORWARD, body=FORWARD.replace("Anna Rossi <anna@rossi.example>", "Anna"))
UNSURE = replace(A_FORWARD, body=FORWARD.replace("---------- Forwarded message ---------\r\n", ""))
"""Without the client's separator, a block of header lines may be anything that somebody wrote down."""


@pytest.mark.parametrize(
    ("inbox", "setting", "sent", "end"),
    [
        (CRM, nothing, A_FORWARD, in_evas("filed", "FILED_FORWARD")),
        (INFO, nothing, A_FORWARD, End(state="filed", reason="FILED_FORWARD", user=EVA)),
        (CRM, nothing, NOT_READABLE, End(state="held", reason="FORWARD_NOT_FOUND", user=EVA)),
        (INFO, nothing, NOT_READABLE, End(state="held", reason="FORWARD_NOT_FOUND", user=EVA)),
        (CRM, nothing, UNSURE, End(state="held", reason="FORWARD_UNSURE", user=EVA)),
        (INFO, nothing, UNSURE, End(state="held", reason="FORWARD_UNSURE", user=EVA)),
        (CRM, two_clients, A_FORWARD, End(state="held", reason="CLIENT_AMBIGUOUS", user=EVA)),
        (INFO, two_clients, A_FORWARD, End(state="unfiled", reason="CLIENT_AMBIGUOUS", user=EVA)),
    ],
)
def test_F1_a_proven_users_forward(
    post: Post, inbox: str, setting: Setting, sent: Sent, end: End
) -> None:
    setting(post.app)
    assert outcome(post, inbox, sent) == end


@pytest.mark.parametrize(("inbox", "state"), [(CRM, "held"), (INFO, "unfiled")])
def test_F5_a_proven_users_forward_of_nobodys_client(post: Post, inbox: str, state: str) -> None:
    sent = replace(A_FORWARD, body=FORWARD.replace("anna@rossi.example", NINA))
    assert outcome(post, inbox, sent) == End(state=state, reason="CLIENT_NOT_FOUND", user=EVA)


# --- one proven user, others in To or Cc --------------------------------------------------------------------------------

WRITTEN = Sent(to=ANNA, trust=SIGNED_IN)


@pytest.mark.parametrize("to", [ANNA, f"{ANNA}, crm@acme.example, info@acme.example"])
@pytest.mark.parametrize(
    ("inbox", "end"),
    [
        (CRM, in_evas("filed", "FILED_CAPTURE", "out")),
        (INFO, End(state="filed", reason="FILED_CAPTURE", direction="out", user=EVA)),
    ],
)
def test_F3_a_proven_users_mail_to_a_client_with_us_in_cc_or_bcc(
    post: Post, inbox: str, end: End, to: str
) -> None:
    assert outcome(post, inbox, replace(WRITTEN, to=to)) == end


@pytest.mark.parametrize(("inbox", "state"), [(CRM, "held"), (INFO, "unfiled")])
def test_F5_a_proven_users_mail_to_nobodys_client(post: Post, inbox: str, state: str) -> None:
    end = End(state=state, reason="CLIENT_NOT_FOUND", direction="out", user=EVA)
    assert outcome(post, inbox, replace(WRITTEN, to=NINA)) == end


@pytest.mark.parametrize(("inbox", "state"), [(CRM, "held"), (INFO, "unfiled")])
def test_F5_a_proven_users_mail_to_who_is_two_clients(post: Post, inbox: str, state: str) -> None:
    two_clients(post.app)
    end = End(state=state, reason="CLIENT_AMBIGUOUS", direction="out", user=EVA)
    assert outcome(post, inbox, WRITTEN) == end


@pytest.mark.parametrize("to", [JAN, f"{JAN}, {LEA}, {CRM}"])
@pytest.mark.parametrize(
    ("inbox", "end"),
    [
        (CRM, in_evas("unfiled", "ONLY_USERS_INVOLVED")),
        (INFO, End(state="unfiled", reason="ONLY_USERS_INVOLVED", user=EVA)),
    ],
)
def test_F3_mail_between_users_has_nothing_to_file(
    post: Post, inbox: str, end: End, to: str
) -> None:
    assert outcome(post, inbox, replace(WRITTEN, to=to)) == end


# --- what is answered ---------------------------------------------------------------------------------------------------


def a_filed_mail(post: Post) -> None:
    """Anna wrote to info@, with her assistant Nina in Cc; it is filed under Rossi Bau."""
    more = f"Cc: {NINA}\r\n"
    post.send(post.mail(ANNA, message_id="first@rossi.example", more=more), INFO)
    post.decide()


ANSWERS = "In-Reply-To: <first@rossi.example>\r\n"


@pytest.mark.parametrize(
    ("from_", "end"),
    [
        (NINA, End(state="filed", reason="FILED_THREAD")),
        ("anybody@else.example", End(state="unfiled", reason="CLIENT_NOT_FOUND")),
        (EVA, End(state="unfiled", reason="CLIENT_NOT_FOUND", claimed=EVA)),
    ],
)
def test_F4_who_has_a_part_in_a_thread_is_filed_there_and_nobody_else(
    post: Post, from_: str, end: End
) -> None:
    a_filed_mail(post)
    assert outcome(post, INFO, Sent(from_=from_, more=ANSWERS)) == end


@pytest.mark.parametrize(
    ("to", "end"),
    [
        (NINA, in_evas("filed", "FILED_THREAD", "out")),
        (
            "anybody@else.example",
            End(state="held", reason="CLIENT_NOT_FOUND", direction="out", user=EVA),
        ),
    ],
)
def test_F4_a_users_answer_is_filed_by_the_thread_of_whom_it_is_written_to(
    post: Post, to: str, end: End
) -> None:
    a_filed_mail(post)
    assert outcome(post, CRM, replace(WRITTEN, to=to, more=ANSWERS)) == end


def test_F4_a_thread_says_which_of_two_clients_a_recipient_means(post: Post) -> None:
    a_filed_mail(post)
    two_clients(post.app)
    end = in_evas("filed", "FILED_THREAD", "out")
    assert outcome(post, CRM, replace(WRITTEN, more=ANSWERS)) == end


def test_F4_a_forward_in_a_filed_thread_needs_no_readable_original(post: Post) -> None:
    a_filed_mail(post)
    end = in_evas("filed", "FILED_THREAD")
    assert outcome(post, CRM, replace(NOT_READABLE, more=ANSWERS)) == end


def test_F4_a_domain_of_everybodys_mailboxes_is_nobodys_however_it_came_into_the_directory(
    post: Post,
) -> None:
    with post.app.store.write() as tx:
        row = {"account_id": 1, "client_id": 1, "domain": "gmail.com"}
        tx.connection.execute(insert(people_tables.client_domains).values(**row))
    sent = Sent(from_="somebody@gmail.com")
    assert outcome(post, INFO, sent) == End(state="unfiled", reason="CLIENT_NOT_FOUND")


# --- a user's From, unproven --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [Sent(body=FORWARD), Sent(to=ANNA), Sent()])
@pytest.mark.parametrize(
    ("inbox", "setting"), [(CRM, nothing), (INFO, info_requires)], ids=["forward", "require"]
)
def test_I3_a_users_from_without_proof_is_held_where_proof_is_required(
    post: Post, inbox: str, setting: Setting, sent: Sent
) -> None:
    setting(post.app)
    end = End(state="held", reason="SENDER_NOT_VERIFIED", claimed=EVA)
    assert outcome(post, inbox, sent) == end


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (Sent(), "CLIENT_NOT_FOUND"),
        (Sent(to=ANNA), "CLIENT_NOT_FOUND"),
        (Sent(body=FORWARD), "FORWARD_BY_STRANGER"),
    ],
)
def test_I3_a_users_from_without_proof_is_a_strangers_where_it_is_only_recorded(
    post: Post, sent: Sent, reason: str
) -> None:
    assert outcome(post, INFO, sent) == End(state="unfiled", reason=reason, claimed=EVA)


# --- several users fit, or none certain ---------------------------------------------------------------------------------


@pytest.mark.parametrize("inbox", [CRM, INFO])
@pytest.mark.parametrize(
    ("setting", "sent", "reason", "claimed"),
    [
        (nothing, Sent(from_=f"{EVA}, {JAN}"), "SENDER_UNCLEAR", None),
        (nothing, Sent(from_=f"{EVA}, {ANNA}"), "SENDER_UNCLEAR", None),
        (tagged, Sent(from_="eva.m@web.example"), "PLUS_BASE_UNRESOLVED", None),
        (eva_has_home, Sent(from_="eva@home.example"), "ALIAS_NOT_VERIFIED", None),
        (eva_is_inactive, Sent(trust=SIGNED_IN), "USER_INACTIVE", EVA),
    ],
)
def test_I1_a_user_in_question_who_is_not_certain_holds_the_mail(
    post: Post, inbox: str, setting: Setting, sent: Sent, reason: str, claimed: str | None
) -> None:
    setting(post.app)
    end = End(state="held", reason=reason, claimed=claimed)
    assert outcome(post, inbox, sent) == end


OLGA = Sent(
    from_="olga@beta.example",
    body=FORWARD,
    trust=Trust(authenticated_for=("beta.example",)),
)


def test_U9_who_works_for_another_account_is_told_so_by_a_forward_inbox(post: Post) -> None:
    an_inbox_of_beta(post.app)
    assert outcome(post, CRM, OLGA) == End(state="held", reason="NOT_A_MEMBER")


def test_U9_who_works_for_another_account_is_a_stranger_to_a_shared_inbox(post: Post) -> None:
    an_inbox_of_beta(post.app)
    assert outcome(post, INFO, OLGA) == End(state="unfiled", reason="FORWARD_BY_STRANGER")


def test_I1_no_user_in_question_is_a_strangers_mail_to_a_shared_inbox(post: Post) -> None:
    sent = Sent(from_=f"{ANNA}, {NINA}")
    assert outcome(post, INFO, sent) == End(state="filed", reason="FILED_CONTACT")


def test_I1_two_authors_who_are_no_users_are_held_by_a_forward_inbox(post: Post) -> None:
    sent = Sent(from_=f"{ANNA}, {NINA}")
    assert outcome(post, CRM, sent) == End(state="held", reason="SENDER_UNCLEAR")


# --- a stranger ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("from_", [ANNA, NINA])
@pytest.mark.parametrize("body", ["Hello", FORWARD])
def test_F2_a_strangers_mail_to_a_forward_inbox_is_held_client_or_not(
    post: Post, from_: str, body: str
) -> None:
    end = End(state="held", reason="SENDER_UNKNOWN")
    assert outcome(post, CRM, Sent(from_=from_, body=body)) == end


@pytest.mark.parametrize(
    ("inbox", "policy"), [(INFO, nothing), (CRM, crm_shares)], ids=["shared", "as shared"]
)
@pytest.mark.parametrize(
    ("setting", "sent", "end"),
    [
        (nothing, Sent(from_=ANNA), End(state="filed", reason="FILED_CONTACT")),
        (nothing, Sent(from_=ANNA, body=FORWARD), End(state="filed", reason="FILED_CONTACT")),
        (novum_by_domain, Sent(from_=NINA), End(state="filed", reason="FILED_DOMAIN")),
        (nothing, Sent(from_=NINA), End(state="unfiled", reason="CLIENT_NOT_FOUND")),
        (two_clients, Sent(from_=ANNA), End(state="unfiled", reason="CLIENT_AMBIGUOUS")),
        (
            nothing,
            Sent(from_=NINA, body=FORWARD),
            End(state="unfiled", reason="FORWARD_BY_STRANGER"),
        ),
    ],
)
def test_F2_a_strangers_mail_is_matched_by_its_from_in_a_shared_inbox(
    post: Post, inbox: str, policy: Setting, setting: Setting, sent: Sent, end: End
) -> None:
    policy(post.app)
    setting(post.app)
    assert outcome(post, inbox, sent) == end


# --- machines -----------------------------------------------------------------------------------------------------------

KINDS = {
    "absence": ("AUTO_REPLY", "Auto-Submitted: auto-replied\r\n"),
    "list": ("LIST_MAIL", "List-Id: <news.rossi.example>\r\nPrecedence: list\r\n"),
    "bounce": (
        "BOUNCE",
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n',
    ),
    "calendar": ("AUTO_REPLY", "Content-Type: text/calendar; method=REQUEST\r\n"),
}
CALENDAR = "BEGIN:VCALENDAR     \r\nMETHOD:REQUEST\r\nEND:VCALENDAR\r\n"
REPORT = (
    "This is a report of a mail server.\r\n--b\r\nContent-Type: text/plain\r\n\r\nIt was not delivered.\r\n"
    "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.rossi.example\r\n\r\n"
    "Final-Recipient: rfc822; anna@rossi.example\r\nAction: failed\r\nStatus: 5.1.1\r\n--b--\r\n"
)


def machine(kind: str, from_: str) -> Sent:
    body = {"bounce": REPORT, "calendar": CALENDAR}.get(kind, "Hello")
    return Sent(from_=from_, more=KINDS[kind][1], body=body)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("from_", [ANNA, NINA])
def test_F7_machine_mail_to_a_forward_inbox_is_ignored_with_its_reason(
    post: Post, kind: str, from_: str
) -> None:
    end = End(state="ignored", reason=KINDS[kind][0], owner=None, unread=None)
    assert outcome(post, CRM, machine(kind, from_)) == end


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("from_", "state"), [(ANNA, "filed"), (NINA, "unfiled")])
def test_F7_machine_mail_to_a_shared_inbox_is_matched_and_marked(
    post: Post, kind: str, from_: str, state: str
) -> None:
    assert outcome(post, INFO, machine(kind, from_)) == End(state=state, reason=KINDS[kind][0])
    with post.app.store.read() as tx:
        queued = tx.connection.execute(select(outbox_tables.outbox)).all()
    assert queued == [], "a machine is never answered"


# --- spam ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inbox", [CRM, INFO])
@pytest.mark.parametrize("from_", [ANNA, NINA, EVA])
def test_D_what_a_trusted_filter_marked_is_ignored_whoever_wrote_it(
    post: Post, inbox: str, from_: str
) -> None:
    sent = Sent(from_=from_, more="X-Spam-Flag: YES\r\n", trust=FILTERED)
    end = End(state="ignored", reason="SPAM", owner=None, unread=None)
    assert outcome(post, inbox, sent) == end


# --- the drop address ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("local", "end"),
    [
        ("crm", in_evas("filed", "FILED_FORWARD")),
        ("info", End(state="filed", reason="FILED_FORWARD", user=EVA)),
    ],
)
def test_U7_a_forward_to_a_drop_address_is_a_proven_users(post: Post, local: str, end: End) -> None:
    addresses = show_drop(post.app, EVA, by=OPERATOR).addresses
    [at] = [one for one in addresses if one.startswith(f"{local}+")]
    sent = Sent(from_="team@shared.example", to="team@shared.example", body=FORWARD, at=at)
    assert outcome(post, at, replace(sent, to=CRM)) == end
