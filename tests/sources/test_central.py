"""A mailbox that collects for many: the mail tells for whom it is, and it is on record what told (D14)."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from maild.core.app import OPERATOR
from maild.core.repairs import Asked, repair, repairs_of
from maild.core.sources import show_source
from maild.model.reason import Reason, RefusedError
from maild.store import people_tables, schema
from tests.core.company import READER
from tests.sources.site import INBOX, Collector, Mailbox, letter

CRM = "crm@acme.example"
FILLED_IN = f"\r\nTo: {INBOX}\r\nDate".encode()
STATED = [
    "X-Gm-Original-To",
    "Delivered-To",
    "X-Original-To",
    "Envelope-To",
    "X-Forwarded-To",
    "Resent-To",
    "Resent-Cc",
    "To",
    "Cc",
]
"""The order in which fields are believed; written out, so that nobody changes it by the way."""


def collected(here: Collector, box: Mailbox, *fields: str, **more: str) -> tuple[str, str]:
    """Collect a mail with these fields; return its inbox, and what told it."""
    box.fill([letter("for whom?", *fields).replace(FILLED_IN, b"\r\nDate")])
    here.add("box", box, is_central=True, **more)
    assert here.poll("box").stored == 1
    [mail] = here.mails()
    [arrival] = here.explain(mail)["arrivals"]
    return mail["inbox"], arrival["origin"]


@pytest.mark.parametrize("field", STATED)
def test_D14_each_trace_is_believed_before_all_that_stand_behind_it(
    here: Collector, box: Mailbox, field: str
) -> None:
    behind = STATED[STATED.index(field) + 1 :]
    later = [f"{name}: {INBOX}" for name in reversed(behind)]
    assert collected(here, box, *later, f"{field}: {CRM}") == (CRM, field)


@pytest.mark.parametrize("field", STATED)
def test_D14_a_trace_that_names_nobody_here_leaves_it_to_the_next(
    here: Collector, box: Mailbox, field: str
) -> None:
    behind = STATED[STATED.index(field) + 1 :]
    fields = [f"{field}: stranger@else.example", *(f"{name}: {CRM}" for name in behind[:1])]
    inbox, origin = collected(here, box, *fields)
    assert (inbox, origin) == ((CRM, behind[0]) if behind else (inbox, "none"))


@pytest.mark.parametrize("field", STATED)
def test_D14_only_the_topmost_field_of_a_name_counts(
    here: Collector, box: Mailbox, field: str
) -> None:
    top = f"{field}: stranger@else.example"
    _, origin = collected(here, box, top, f"{field}: {CRM}")
    assert origin == "none"
    assert here.mails()[0]["reason"] == "NO_RECIPIENT_MARKER"


def test_D14_a_mail_without_any_trace_is_held_for_a_person(here: Collector, box: Mailbox) -> None:
    collected(here, box)
    [mail] = here.mails()
    assert (mail["state"], mail["reason"]) == ("held", "NO_RECIPIENT_MARKER")
    assert mail["owner"] is not None


def test_D14_a_source_that_names_its_header_believes_that_alone(
    here: Collector, box: Mailbox
) -> None:
    fields = (f"Delivered-To: {INBOX}", f"X-Our-Own: {CRM}")
    assert collected(here, box, *fields, recipient_header="X-Our-Own") == (CRM, "X-Our-Own")


def test_D14_a_named_header_that_is_missing_is_not_made_up_for_by_another(
    here: Collector, box: Mailbox
) -> None:
    collected(here, box, f"Delivered-To: {CRM}", recipient_header="X-Our-Own")
    assert here.mails()[0]["reason"] == "NO_RECIPIENT_MARKER"


def test_D14_a_mail_for_two_inboxes_lies_in_both(here: Collector, box: Mailbox) -> None:
    box.fill([letter("for both", f"Delivered-To: {INBOX}, {CRM}")])
    here.add("box", box, is_central=True)
    here.poll("box")
    assert sorted(one["inbox"] for one in here.mails()) == [CRM, INBOX]


def test_D14_a_box_for_one_inbox_does_not_ask_the_mail(here: Collector, box: Mailbox) -> None:
    box.fill([letter("for info", f"Delivered-To: {CRM}")])
    here.add("box", box)
    here.poll("box")
    assert [one["inbox"] for one in here.mails()] == [INBOX]


def test_E2_a_field_that_is_picked_tells_this_mails_inbox_and_those_of_later_ones(
    here: Collector, box: Mailbox
) -> None:
    collected(here, box, f"X-Our-Own: {CRM}")
    [mail] = here.mails()
    [offer] = [
        one
        for one in repairs_of(here.app, mail["ulid"], by=OPERATOR).repairs
        if one.action == "pick-header"
    ]
    assert [choice.value for choice in offer.choices] == ["X-Our-Own"]
    asked = Asked(action="pick-header", value="X-Our-Own")
    repair(here.app, READER, mail["ulid"], asked, by=OPERATOR)
    [mail] = here.mails()
    assert (mail["inbox"], mail["reason"]) == (CRM, "SENDER_UNKNOWN")
    box.fill([letter("the next", f"X-Our-Own: {CRM}").replace(FILLED_IN, b"\r\nDate")])
    here.poll("box")
    assert [one["inbox"] for one in here.mails()] == [CRM, CRM]


def test_E2_a_field_that_names_no_inbox_here_is_not_picked(here: Collector, box: Mailbox) -> None:
    collected(here, box, "X-Our-Own: stranger@else.example")
    [mail] = here.mails()
    asked = Asked(action="pick-header", value="X-Our-Own")
    with pytest.raises(RefusedError) as caught:
        repair(here.app, READER, mail["ulid"], asked, by=OPERATOR)
    assert caught.value.reason is Reason.INVALID_VALUE
    assert show_source(here.app, "box", by=OPERATOR).recipient_header is None


def test_E2_a_field_whose_inbox_has_the_mail_already_leaves_the_source_as_it_was(
    here: Collector, box: Mailbox
) -> None:
    collected(here, box, f"X-Our-Own: {INBOX}")
    [mail] = here.mails()
    with here.app.store.write() as tx:
        [row] = tx.connection.execute(select(schema.deliveries)).mappings().all()
        inboxes = people_tables.inboxes
        told = tx.connection.execute(
            select(inboxes.c.id).where(inboxes.c.norm == INBOX)
        ).scalar_one()
        twin = {key: value for key, value in row.items() if key != "id"}
        twin |= {"ulid": here.app.ids(), "inbox_id": told, "state": "ignored", "reason": "SPAM"}
        tx.connection.execute(schema.deliveries.insert().values(**twin))
    asked = Asked(action="pick-header", value="X-Our-Own")
    with pytest.raises(RefusedError) as caught:
        repair(here.app, READER, mail["ulid"], asked, by=OPERATOR)
    assert caught.value.reason is Reason.CONFLICT
    assert show_source(here.app, "box", by=OPERATOR).recipient_header is None
