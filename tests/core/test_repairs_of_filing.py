"""E2: what can be done about a mail that is filed, put aside, or not what it seems; each decided again in place."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from maild.core.app import OPERATOR, Actor, App
from maild.core.clients import NewClient, add_client
from maild.core.mailbox import give, newest_change, set_unread, undo
from maild.core.repairs import Asked, Repaired, repair, repairs_of
from maild.core.rulings import unfile
from maild.core.views import explain_mail, mail_history
from maild.model.reason import Reason
from maild.store import schema
from tests.core.company import EVA, JAN, LEA, READER, SIGNED_IN
from tests.core.conftest import Frozen
from tests.core.firm import FORWARD, refusal
from tests.core.test_every_reason import CASES, DEGRADED, Maker
from tests.core.test_filing import ANNA, CRM, INFO, NINA, Sent, machine

USER = "eva@acme.example"


@pytest.fixture
def maker(app: App, clock: Frozen, monkeypatch: pytest.MonkeyPatch) -> Maker:
    return Maker(app, clock, monkeypatch)


def a_client(maker: Maker, name: str, *contacts: str) -> str:
    return add_client(maker.app, NewClient(name=name, contacts=contacts), by=OPERATOR).id


def done(maker: Maker, action: str, value: str | None = None, by: Actor = OPERATOR) -> Repaired:
    return repair(maker.app, READER, maker.newest, Asked(action=action, value=value), by=by)


def offered(maker: Maker, by: Actor = OPERATOR) -> list[str]:
    return [one.action for one in repairs_of(maker.app, maker.newest, by=by).repairs]


def choices(maker: Maker, action: str) -> list[str]:
    found = repairs_of(maker.app, maker.newest, by=OPERATOR).repairs
    return [choice.text for one in found if one.action == action for choice in one.choices]


def lies(maker: Maker) -> tuple[str, str, list[str], str | None, bool | None]:
    """Return state, reason, clients, owner and unread of the newest mail."""
    row = maker.post.lies()[-1]
    clients = [one["name"] for one in row["clients"]]
    return str(row["state"]), row["reason"], clients, row["owner"], row["unread"]


def said(maker: Maker) -> str:
    found = explain_mail(maker.app, maker.newest, by=OPERATOR)
    return " ".join(step["text"] for step in found["trace"])


def told(maker: Maker) -> str:
    return " ".join(one.text for one in mail_history(maker.app, maker.newest, by=OPERATOR))


FILED = [reason for reason, (_, actions) in CASES.items() if actions == ("unfile", "move")]


@pytest.mark.parametrize("reason", FILED, ids=lambda reason: reason.code)
def test_E2_whatever_is_filed_is_taken_off_in_place_and_the_history_says_by_whom(
    maker: Maker, reason: Reason
) -> None:
    CASES[reason][0](maker)
    _, _, [client], owner, unread = lies(maker)
    done(maker, "unfile", by=Actor(LEA))
    assert lies(maker) == ("unfiled", "UNFILED_BY_HAND", [], owner, unread)
    assert f"Lea took it off {client}." in told(maker)
    assert offered(maker) == ["choose-client", "ignore"]


@pytest.mark.parametrize("reason", FILED, ids=lambda reason: reason.code)
def test_E2_whatever_is_filed_is_moved_to_another_client_and_back(
    maker: Maker, reason: Reason
) -> None:
    CASES[reason][0](maker)
    was = lies(maker)
    other = a_client(maker, "Bianchi")
    done(maker, "move", other, by=Actor(LEA))
    assert lies(maker) == ("filed", "FILED_BY_HAND", ["Bianchi"], *was[3:])
    change = newest_change(maker.app, 1, by=Actor(LEA))
    undo(maker.app, READER, by=Actor(LEA), change_id=change)
    assert lies(maker) == was


def test_E2_owner_and_flag_stay_whatever_is_answered(maker: Maker) -> None:
    maker.send(INFO, Sent(from_=ANNA))
    give(maker.app, [maker.newest], to=JAN, by=Actor(LEA))
    set_unread(maker.app, [maker.newest], unread=False, by=Actor(JAN))
    done(maker, "move", a_client(maker, "Bianchi"))
    assert lies(maker)[3:] == ("jan@acme.example", False)


def test_F3_taken_off_one_of_two_clients_it_stays_with_the_other(maker: Maker) -> None:
    sent = Sent(to=f"{ANNA}, marc@dupont.example", trust=SIGNED_IN)
    maker.send(CRM, sent)
    assert lies(maker)[2] == ["Rossi Bau", "Dupont"]
    rossi = maker.post.lies()[-1]["clients"][0]["id"]
    with refusal(Reason.INVALID_VALUE):
        done(maker, "unfile")
    done(maker, "unfile", rossi)
    assert lies(maker)[:3] == ("filed", "FILED_BY_HAND", ["Dupont"])


@pytest.mark.parametrize("action", ["unfile", "move"])
def test_E2_what_was_answered_of_several_clients_is_undone_as_a_whole(
    maker: Maker, action: str
) -> None:
    lea = a_client(maker, "Third", "lea@third.example")
    other = a_client(maker, "Bianchi")
    boxes = f"{ANNA}, marc@dupont.example, lea@third.example"
    maker.send(CRM, Sent(to=boxes, trust=SIGNED_IN))
    was = lies(maker)
    assert was[2] == ["Rossi Bau", "Dupont", "Third"]
    change = done(maker, action, {"unfile": lea, "move": other}[action]).change
    assert lies(maker)[2] != was[2]
    undo(maker.app, READER, by=OPERATOR, change_id=change)
    assert lies(maker) == was


def test_E2_what_is_not_filed_there_is_not_taken_off(maker: Maker) -> None:
    maker.send(INFO, Sent(from_=ANNA))
    other = a_client(maker, "Bianchi")
    with refusal(Reason.INVALID_VALUE):
        done(maker, "unfile", other)
    change = unfile(maker.app, READER, [maker.newest], client=other, by=OPERATOR)
    assert (change.moved, change.unchanged) == ((), (maker.newest,))
    assert lies(maker)[:3] == ("filed", "FILED_CONTACT", ["Rossi Bau"])


@pytest.mark.parametrize("kind", ["absence", "bounce", "list", "calendar"])
@pytest.mark.parametrize(
    ("inbox", "from_", "end"),
    [
        (CRM, NINA, ("held", "SENDER_UNKNOWN", [])),
        (INFO, ANNA, ("filed", "FILED_CONTACT", ["Rossi Bau"])),
        (INFO, NINA, ("unfiled", "CLIENT_NOT_FOUND", [])),
    ],
)
def test_F7_a_machines_mail_is_treated_as_normal_wherever_it_lies(
    maker: Maker, kind: str, inbox: str, from_: str, end: tuple[str, str, list[str]]
) -> None:
    maker.send(inbox, machine(kind, from_))
    done(maker, "release", by=Actor(LEA))
    assert lies(maker)[:3] == end
    assert "Somebody released it; treated as normal." in said(maker)


def test_F2_a_strangers_forward_is_filed_under_either(maker: Maker) -> None:
    maker.send(INFO, Sent(from_=NINA, body=FORWARD))
    assert choices(maker, "choose-client") == ["Rossi Bau"], "the original's"
    assert choices(maker, "create-client") == [NINA, ANNA]
    done(maker, "create-client", f"Novum <{NINA}>")
    assert lies(maker)[:3] == ("filed", "FILED_CONTACT", ["Novum"])


def test_F2_or_under_the_originals(maker: Maker) -> None:
    maker.send(INFO, Sent(from_=NINA, body=FORWARD))
    choose, *_ = repairs_of(maker.app, maker.newest, by=OPERATOR).repairs
    done(maker, "choose-client", choose.choices[0].value)
    assert lies(maker)[:3] == ("filed", "FILED_BY_HAND", ["Rossi Bau"])


def test_U7_of_two_drop_addresses_somebody_says_whose_mail_it_is(maker: Maker) -> None:
    CASES[Reason.AMBIGUOUS_SENDER][0](maker)
    assert choices(maker, "choose-user") == ["Eva", "Jan"]
    done(maker, "choose-user", USER, by=Actor(LEA))
    assert lies(maker) == ("filed", "FILED_FORWARD", ["Rossi Bau"], USER, True)


# --- what is shown ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "action"),
    [
        (Reason.SAME_ID_OTHER_CONTENT, "compare"),
        (Reason.PARSE_DEGRADED, "raw"),
        (Reason.UNPARSEABLE, "raw"),
        (Reason.INTERNAL_ERROR, "raw"),
        (Reason.NO_RECIPIENT_MARKER, "checklist"),
    ],
)
def test_E2_what_is_only_shown_changes_nothing(maker: Maker, reason: Reason, action: str) -> None:
    CASES[reason][0](maker)

    def stored() -> list[tuple[object, ...]]:
        with maker.app.store.read() as tx:
            return [
                tuple(row)
                for table in (schema.deliveries, schema.rulings, schema.traces, schema.events)
                for row in tx.connection.execute(select(table)).all()
            ]

    before = stored()
    shown = done(maker, action)
    assert shown.lines
    assert stored() == before


def test_D6_compared_mails_say_where_they_part(maker: Maker) -> None:
    CASES[Reason.SAME_ID_OTHER_CONTENT][0](maker)
    lines = "\n".join(done(maker, "compare").lines)
    assert "From: the same" in lines
    assert "Text: parts in line 1: “Something else” here, “Hello” there" in lines


def test_D6_a_twin_that_is_not_ones_own_is_not_shown(maker: Maker) -> None:
    maker.send(CRM, Sent(from_=NINA, body="A secret of Lea's"), message_id="same@x.example")
    maker.send(INFO, Sent(from_=ANNA, body="Hello"), message_id="same@x.example")
    assert "secret" in str(done(maker, "compare", by=Actor(LEA)).lines)
    shown = done(maker, "compare", by=Actor(EVA))
    assert (shown.lines, "not yours to see" in shown.text) == ((), True)


def test_E2_the_raw_view_is_printable_whatever_the_bytes_are(maker: Maker) -> None:
    maker.send(INFO, DEGRADED)
    lines = done(maker, "raw").lines
    assert lines[0] == f"From: {ANNA}"
    assert "\\xc3\\xbc" in " ".join(lines)


# --- to whom it was sent ------------------------------------------------------------------------------------------------


def test_D14_who_says_to_which_inbox_it_was_sent_has_it_decided_as_that_ones(maker: Maker) -> None:
    maker.collected(origin="none")
    assert lies(maker)[:2] == ("held", "NO_RECIPIENT_MARKER")
    shown = done(maker, "recipient", CRM, by=Actor(LEA))
    assert shown.text == f"It was sent to {CRM}, by your word."
    assert lies(maker) == ("held", "SENDER_UNKNOWN", [], "lea@acme.example", True)
    assert maker.post.lies()[-1]["inbox"] == CRM
    assert f"Lea said on 20 Nov that it was sent to {CRM}." in said(maker)
    assert f"Lea said that it was sent to {CRM}." in told(maker)


def test_D14_an_inbox_that_is_not_there_is_refused_and_nothing_changes(maker: Maker) -> None:
    maker.collected(origin="none")
    with refusal(Reason.NOT_FOUND):
        done(maker, "recipient", "info@beta.example")
    assert lies(maker)[:2] == ("held", "NO_RECIPIENT_MARKER")


def test_D14_a_mail_that_an_inbox_has_already_is_not_put_there_twice(maker: Maker) -> None:
    maker.collected(origin="none")
    ulid = maker.newest
    with maker.app.store.read() as tx:
        [row] = tx.connection.execute(select(schema.deliveries)).mappings().all()
    with maker.app.store.write() as tx:
        twin = {key: value for key, value in row.items() if key != "id"}
        twin |= {"ulid": maker.app.ids(), "inbox_id": 1, "state": "ignored", "reason": "SPAM"}
        tx.connection.execute(schema.deliveries.insert().values(**twin))
    with refusal(Reason.CONFLICT):
        repair(maker.app, READER, ulid, Asked(action="recipient", value=CRM), by=OPERATOR)


def test_D14_a_member_does_not_say_to_whom_a_mail_was_sent(maker: Maker) -> None:
    maker.collected(origin="none")
    assert "recipient" not in offered(maker, by=Actor(EVA))
    with refusal(Reason.NOT_ALLOWED):
        done(maker, "recipient", CRM, by=Actor(EVA))
