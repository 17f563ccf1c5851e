"""Our own mail that comes back: a loop where nobody wrote it to, a mail where somebody did (M8)."""

from __future__ import annotations

from sqlalchemy import text

from maild.core.app import OPERATOR
from maild.core.decide import decide_again
from maild.core.erasing import Erasure, erase
from maild.model.people import Role
from maild.testing.world import a_world
from tests.core.company import READER
from tests.writing.conftest import INFO, LEA, SALES, Office

BEN, BETA = "ben@beta.example", "info@beta.example"


def decided_in(office: Office, slug: str) -> list[tuple[str, str, str]]:
    """Return state, reason and direction of an account's deliveries."""
    with office.app.store.read() as tx:
        rows = tx.connection.execute(
            text(
                "SELECT d.state, d.reason, d.direction FROM deliveries d"
                " JOIN accounts a ON a.id = d.account_id WHERE a.slug = :slug ORDER BY d.id"
            ),
            {"slug": slug},
        )
        return [(row.state, row.reason, row.direction) for row in rows]


def a_neighbour(office: Office) -> None:
    beta = a_world(office.app, "beta")
    beta.user(BEN, role=Role.DISTRIBUTOR)
    beta.inbox(BETA, owner=BEN)
    beta.client("Acme", INFO)


def test_M8_what_one_account_writes_to_another_here_is_that_ones_mail(office: Office) -> None:
    a_neighbour(office)
    office.compose(BETA, sender=INFO)
    (sent,) = office.sends()
    office.post.send(sent.content, BETA, mail_from=sent.mail_from)
    office.post.decide()
    assert decided_in(office, "beta") == [("filed", "FILED_CONTACT", "in")]


def test_M8_a_neighbour_who_sends_it_back_makes_no_circle(office: Office) -> None:
    a_neighbour(office)
    office.compose(BETA, sender=INFO)
    (sent,) = office.sends()
    office.post.send(sent.content, SALES)
    office.post.decide()
    assert decided_in(office, "acme")[-1][1] == "LOOP_STOPPED"


def test_M8_a_relay_that_adds_to_the_text_takes_no_colleagues_copy_away(office: Office) -> None:
    written = office.reply(office.asks(), cc=[SALES])
    changed = office.octets(written).replace(b"Yes.", b"Yes.\r\n-- Acme Ltd")
    shown = office.shown(office.comes(changed, SALES))
    assert (shown["owner"], shown["unread"]) == (LEA, True)
    # Whoever had the mail could have changed it: it is nobody's word but a stranger's.
    assert (shown["user"], shown["direction"]) == (None, "in")
    assert "SAME_ID_OTHER_CONTENT" in str(shown["beside"])


def test_M8_a_changed_copy_of_what_lies_there_already_is_stopped(office: Office) -> None:
    written = office.reply(office.asks(), cc=[INFO])
    changed = office.octets(written).replace(b"Yes.", b"Yes.\r\n-- Acme Ltd")
    assert office.shown(office.comes(changed, INFO))["reason"] == "LOOP_STOPPED"
    assert office.shown(office.comes(changed, "sales@acme.example"))["reason"] == "LOOP_STOPPED"


def test_M8_a_colleagues_inbox_has_it_by_its_tag_too(office: Office) -> None:
    written = office.compose("sales+vip@acme.example", sender=INFO)
    shown = office.shown(office.comes(office.octets(written), "sales+vip@acme.example"))
    assert (shown["inbox"], shown["owner"], shown["unread"]) == (SALES, LEA, True)
    assert shown["reason"] != "LOOP_STOPPED"


def test_M8_a_colleagues_copy_stays_where_it_lies_when_the_authors_is_erased(
    office: Office,
) -> None:
    written = office.compose(SALES, sender=INFO)
    copy = office.comes(office.octets(written), SALES)
    before = office.shown(copy)
    erase(office.app, Erasure(ids=(str(written.id),)), by=OPERATOR)
    lying = [row["id"] for row in office.post.lies() if row["ulid"] == copy]
    decide_again(office.app, READER, lying)
    after = office.shown(copy)
    assert (after["state"], after["owner"]) == (before["state"], LEA)
