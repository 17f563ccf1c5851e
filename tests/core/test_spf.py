"""I3: what a sender policy says of a peer is recorded and shown; it proves nothing, and delays nothing for long."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from maild.core.accept import accept
from maild.core.app import OPERATOR, App
from maild.core.verdicts import SENDERS_AT_A_TIME, Prover
from maild.core.views import explain_mail, show_mail
from maild.model.envelope import Door
from maild.model.written import HostPort
from maild.settings import AuthSettings
from maild.testing.dns_server import Act, DnsServer
from tests.core.company import READER, Post, a_company

POLICY = "v=spf1 ip4:192.0.2.1 -all"


@pytest.fixture
def server() -> Iterator[DnsServer]:
    with DnsServer() as server:
        server.txt("world.example", POLICY)
        yield server


@pytest.fixture
def post(app: App, server: DnsServer) -> Post:
    a_company(app)
    auth = AuthSettings(dns=(HostPort("127.0.0.1", server.port),), dns_timeout=0.5)
    return Post(replace(app, prover=Prover(auth)))


def send(
    post: Post,
    from_: str = "anna@rossi.example",
    *,
    mail_from: str = "sender@world.example",
    is_direct: bool = True,
) -> None:
    mail = post.mail(from_, to="info@acme.example")
    coming = post.incoming(mail, mail_from=mail_from)
    envelope = replace(coming.envelope, is_direct=is_direct, helo="mx.world.example")
    accept(post.app, [replace(coming, envelope=envelope)])


def trace(post: Post, at: int = 0) -> list[str]:
    steps = explain_mail(post.app, post.lies()[at]["ulid"], by=OPERATOR)["trace"]
    return [step["text"] for step in steps]


def recorded(post: Post) -> str | None:
    """Return what the only arrival's sender policy said, as a person is shown it."""
    [row] = post.lies()
    [arrival] = show_mail(post.app, READER, row["ulid"], by=OPERATOR)["arrivals"]
    said: str | None = arrival["spf"]
    return said


def test_I3_what_the_policy_says_is_recorded_with_the_arrival(post: Post) -> None:
    send(post)
    assert recorded(post) is None, "nobody is asked before the 250"
    post.decide()
    assert recorded(post) == "pass"


def test_I3_the_trace_says_it_and_that_it_is_no_proof(post: Post) -> None:
    send(post)
    post.decide()
    assert "SPF says pass for world.example (192.0.2.1): recorded, no proof." in trace(post)


def test_I3_it_stands_in_the_evidence(post: Post) -> None:
    send(post)
    post.decide()
    with post.app.store.read() as tx:
        kept = tx.connection.exec_driver_sql("SELECT evidence FROM deliveries").scalar_one()
    assert json.loads(kept)["spf"] == [
        "SPF says pass for world.example (192.0.2.1): recorded, no proof"
    ]


def test_I3_a_pass_for_the_very_domain_of_a_user_proves_nothing(
    post: Post, server: DnsServer
) -> None:
    server.txt("acme.example", POLICY)
    mail = post.mail("eva@acme.example", to="crm@acme.example")
    coming = post.incoming(mail, "crm@acme.example", mail_from="eva@acme.example")
    accept(post.app, [replace(coming, envelope=replace(coming.envelope, is_direct=True))])
    post.decide()
    assert recorded(post) == "pass"
    assert post.outcome()[:2] == ("held", "SENDER_NOT_VERIFIED")


def test_I3_a_fail_holds_nothing(post: Post, server: DnsServer) -> None:
    server.txt("world.example", "v=spf1 -all")
    send(post)
    post.decide()
    assert recorded(post) == "fail"
    assert post.outcome()[:2] == ("filed", "FILED_CONTACT")


def test_I3_a_bounce_is_judged_by_its_helo(post: Post, server: DnsServer) -> None:
    server.txt("mx.world.example", "v=spf1 ~all")
    send(post, mail_from="")
    post.decide()
    assert recorded(post) == "softfail"


def test_I3_who_is_not_the_world_is_not_asked_about(post: Post, server: DnsServer) -> None:
    send(post, is_direct=False)
    post.decide()
    assert recorded(post) is None
    assert server.asked == []


@pytest.mark.parametrize("door", [Door.LMTP, Door.HTTP, Door.PIPE])
def test_I3_other_doors_record_nothing(post: Post, server: DnsServer, door: Door) -> None:
    post.send(post.mail(), door=door)
    post.decide()
    assert recorded(post) is None
    assert server.asked == []


def test_I3_it_is_asked_once(post: Post, server: DnsServer) -> None:
    server.txt("world.example", POLICY, ttl=0)
    send(post)
    post.decide()
    server.txt("world.example", "v=spf1 -all")
    asked = len(server.asked)
    [row] = post.lies()
    with post.app.store.write() as tx:
        entry = tx.mailbox.entry(row["ulid"])
        assert entry is not None
        tx.intake.decide_soon(entry.id, post.app.clock())
    post.decide()
    assert recorded(post) == "pass"
    assert len(server.asked) == asked
    assert "SPF says pass for world.example (192.0.2.1): recorded, no proof." in trace(post)


def test_I3_a_silent_server_is_recorded_and_the_mail_is_filed(
    post: Post, server: DnsServer
) -> None:
    server.acts("world.example", Act.SILENCE)
    send(post)
    post.decide()
    assert recorded(post) == "temperror"
    assert post.outcome()[:2] == ("filed", "FILED_CONTACT")


def test_I3_a_hundred_silent_policies_share_one_deadline(post: Post, server: DnsServer) -> None:
    for number in range(100):
        server.acts(f"d{number}.example", Act.SILENCE)
        send(post, mail_from=f"x@d{number}.example")
    post.decide()
    # Who would begin after it is asked for no more.
    assert len({name for name, _ in server.asked}) <= SENDERS_AT_A_TIME
    assert {row["state"] for row in post.lies()} == {"filed"}


def test_I3_a_hostile_envelope_is_recorded_as_what_it_is(post: Post) -> None:
    send(post, mail_from="x@" + "a." * 200 + "example")
    post.decide()
    assert recorded(post) in {"none", "permerror"}
    assert post.outcome()[:2] == ("filed", "FILED_CONTACT")
