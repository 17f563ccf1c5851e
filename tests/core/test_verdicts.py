"""I3: a signature proves a user's From; DNS that does not answer holds, and the mail heals by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from maild.core.app import OPERATOR, App
from maild.core.decide import BATCH
from maild.core.verdicts import AT_A_TIME, Prover
from maild.core.views import explain_mail
from maild.model.written import HostPort
from maild.settings import AuthSettings
from maild.testing.dns_server import Act, DnsServer
from tests.auth.site import Site
from tests.core.company import SIGNED_IN, Post, a_company
from tests.core.conftest import Frozen
from tests.core.test_drops import FORWARD

NAME = "s1._domainkey.acme.example"


@pytest.fixture
def server() -> Iterator[DnsServer]:
    with DnsServer() as server:
        yield server


@pytest.fixture
def site(server: DnsServer) -> Site:
    site = Site(server)
    site.has_key()
    return site


@pytest.fixture
def post(app: App, server: DnsServer, clock: Frozen) -> Post:
    clock.now = datetime.now(UTC)  # A signature tells when it was made.
    a_company(app)
    auth = AuthSettings(dns=(HostPort("127.0.0.1", server.port),), dns_timeout=0.5)
    return Post(replace(app, prover=Prover(auth)))


def send(post: Post, site: Site, *, from_: str = "eva@acme.example", inbox: str = "crm") -> None:
    mail = post.mail(from_, to=f"{inbox}@acme.example", body=FORWARD)
    post.send(site.signed(mail), f"{inbox}@acme.example")
    post.decide()


def trace(post: Post) -> str:
    [row] = post.lies()
    steps = explain_mail(post.app, row["ulid"], by=OPERATOR)["trace"]
    return " ".join(step["text"] for step in steps)


def test_I3_a_users_mail_with_a_signature_of_the_domain_is_filed(post: Post, site: Site) -> None:
    send(post, site)
    assert post.outcome()[:2] == ("filed", "FILED_FORWARD")
    assert "a DKIM signature of acme.example" in trace(post)


def test_I3_a_user_is_known_by_a_signature_in_a_shared_inbox_too(post: Post, site: Site) -> None:
    send(post, site, inbox="info")
    assert post.outcome()[:2] == ("filed", "FILED_FORWARD")


def test_I3_without_a_signature_it_is_held_and_dns_is_not_asked(
    post: Post, server: DnsServer
) -> None:
    post.send(post.mail("eva@acme.example", to="crm@acme.example"), "crm@acme.example")
    post.decide()
    assert post.outcome()[:2] == ("held", "SENDER_NOT_VERIFIED")
    assert server.asked == []


def test_I3_a_strangers_signature_is_nobodys_business(
    post: Post, site: Site, server: DnsServer
) -> None:
    send(post, site, from_="anna@rossi.example", inbox="info")
    assert post.outcome()[:2] == ("filed", "FILED_CONTACT")
    assert server.asked == []


def test_I3_what_a_listener_proves_needs_no_dns(post: Post, site: Site, server: DnsServer) -> None:
    mail = site.signed(post.mail("eva@acme.example", to="crm@acme.example", body=FORWARD))
    post.send(mail, "crm@acme.example", trust=SIGNED_IN)
    post.decide()
    assert post.outcome()[:2] == ("filed", "FILED_FORWARD")
    assert server.asked == []


def test_I3_a_mail_is_verified_once(post: Post, site: Site, server: DnsServer) -> None:
    send(post, site)
    asked = len(server.asked)
    with post.app.store.write() as tx:
        [row] = post.lies()
        entry = tx.mailbox.entry(row["ulid"])
        assert entry is not None
        tx.intake.decide_soon(entry.id, post.app.clock())
    post.decide()
    assert post.outcome()[:2] == ("filed", "FILED_FORWARD")
    assert len(server.asked) == asked


@pytest.mark.parametrize("act", [Act.SERVFAIL, Act.SILENCE])
def test_I3_dns_that_does_not_answer_holds_at_once_and_the_mail_heals_by_itself(
    post: Post, site: Site, server: DnsServer, clock: Frozen, act: Act
) -> None:
    server.acts(NAME, act)
    send(post, site)
    assert post.outcome()[:2] == ("held", "SENDER_NOT_VERIFIED")
    server.acts(NAME, None)
    post.decide()
    assert post.outcome()[:2] == ("held", "SENDER_NOT_VERIFIED"), "it is not asked all the time"
    clock.advance(timedelta(minutes=6))
    post.decide()
    assert post.outcome()[:2] == ("filed", "FILED_FORWARD")


def test_I3_after_a_day_nobody_asks_any_more(
    post: Post, site: Site, server: DnsServer, clock: Frozen
) -> None:
    server.acts(NAME, Act.SERVFAIL)
    send(post, site)
    rounds = 0
    while clock.now < post.lies()[0]["received_at"] + timedelta(days=2):
        clock.advance(timedelta(hours=1))
        before = len(server.asked)
        post.decide()
        rounds += len(server.asked) > before
    assert 5 < rounds < 24
    clock.advance(timedelta(days=1))
    before = len(server.asked)
    post.decide()
    assert len(server.asked) == before
    assert post.outcome()[:2] == ("held", "SENDER_NOT_VERIFIED")


def test_I3_a_batch_waits_for_a_silent_server_once(
    post: Post, site: Site, server: DnsServer
) -> None:
    assert AT_A_TIME >= BATCH
    server.acts(NAME, Act.SILENCE)
    for _ in range(30):
        mail = post.mail("eva@acme.example", to="crm@acme.example", body=FORWARD)
        post.send(site.signed(mail), "crm@acme.example")
    post.decide()
    assert {row["reason"] for row in post.lies()} == {"SENDER_NOT_VERIFIED"}
    # Each asked for itself, at once: none was served by what another had waited for.
    assert server.count(NAME) >= 30


def test_I3_a_changed_mail_is_held_for_good(post: Post, site: Site, clock: Frozen) -> None:
    mail = site.signed(post.mail("eva@acme.example", to="crm@acme.example", body=FORWARD))
    post.send(mail.replace(b"We order", b"We cancel"), "crm@acme.example")
    post.decide()
    assert post.outcome()[:2] == ("held", "SENDER_NOT_VERIFIED")
    with post.app.store.read() as tx:
        assert tx.connection.exec_driver_sql("SELECT due_at FROM deliveries").scalar_one() is None
