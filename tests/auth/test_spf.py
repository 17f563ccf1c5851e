"""SPF is recorded and never proves (I3)."""

from __future__ import annotations

import time

import pytest

from maild.auth.finding import Outcome
from maild.auth.spf import Peer
from maild.testing.dns_server import Act
from tests.auth.site import EVA, Site, a_mail


def peer(address: str = "192.0.2.7", sender: str = EVA, helo: str = "mx.acme.example") -> Peer:
    return Peer(address=address, helo=helo, mail_from=sender)


@pytest.mark.parametrize(
    ("record", "word", "outcome"),
    [
        ("v=spf1 ip4:192.0.2.0/24 -all", "pass", Outcome.PASS),
        ("v=spf1 -all", "fail", Outcome.FAIL),
        ("v=spf1 ~all", "softfail", Outcome.FAIL),
        ("v=spf1 ?all", "neutral", Outcome.NONE),
        ("v=spf1 a:mx.acme.example -all", "pass", Outcome.PASS),
        ("v=spf1 mx -all", "pass", Outcome.PASS),
        ("v=spf1 ptr -all", "fail", Outcome.FAIL),
        ("v=spf1 include:_spf.acme.example -all", "pass", Outcome.PASS),
        ("v=spf1 redirect=_spf.acme.example", "pass", Outcome.PASS),
        ("v=spf1 exists:%{i}.ok.acme.example -all", "pass", Outcome.PASS),
        ("v=spf1 nonsense -all", "permerror", Outcome.PERMANENT),
        ("v=spf1 a:x.example a:y.example -all", "fail", Outcome.FAIL),
        ("v=spf1 a:x.example a:y.example a:z.example -all", "permerror", Outcome.PERMANENT),
        ("v=spf1 include:acme.example -all", "permerror", Outcome.PERMANENT),
        ("other text", "none", Outcome.NONE),
    ],
)
def test_I3_the_sender_policy_is_recorded_in_its_word(
    site: Site, record: str, word: str, outcome: Outcome
) -> None:
    site.server.txt("acme.example", record)
    site.server.txt("_spf.acme.example", "v=spf1 ip4:192.0.2.7 -all")
    site.server.records("mx.acme.example", "A", "192.0.2.7")
    site.server.records("acme.example", "MX", "10 mx.acme.example.")
    site.server.records("192.0.2.7.ok.acme.example", "A", "127.0.0.2")
    found = site.sender_policy(peer())
    assert (found.words, found.outcome) == (f"the sender policy says {word}", outcome)


def test_I3_a_pass_of_the_sender_policy_proves_nothing(site: Site) -> None:
    site.server.txt("acme.example", "v=spf1 ip4:192.0.2.7 -all")
    assert site.sender_policy(peer()).outcome is Outcome.PASS
    assert not site.verdict(a_mail()).proven


def test_I3_a_policy_that_fails_for_now_holds_nothing(site: Site) -> None:
    site.server.acts("acme.example", Act.SERVFAIL)
    assert site.sender_policy(peer()).outcome is Outcome.TEMPORARY
    assert not site.verdict(a_mail()).is_temporary


def test_I3_a_policy_that_includes_without_end_is_left_soon(site: Site) -> None:
    for number in range(50):
        site.server.txt(f"n{number}.example", f"v=spf1 include:n{number + 1}.example mx a ptr -all")
    found = site.sender_policy(peer(sender="x@n0.example"))
    assert found.outcome is Outcome.PERMANENT
    assert len(site.server.asked) <= 12


def test_I3_many_exchangers_cost_no_more_than_the_limit(site: Site) -> None:
    records = [f"{number} m{number}.acme.example." for number in range(10)]
    for name in ("acme", "b", "c", "d", "e", "f"):
        site.server.records(
            f"{name}.example", "MX", *(f"{r[:-14]}.{name}.example." for r in records)
        )
        for number in range(10):
            site.server.records(f"m{number}.{name}.example", "A", "198.51.100.1")
    site.server.txt(
        "acme.example", "v=spf1 mx mx:b.example mx:c.example mx:d.example mx:e.example -all"
    )
    site.sender_policy(peer())
    assert len(site.server.asked) <= 41


def test_I3_the_sender_policy_shares_the_mail_s_deadline(site: Site) -> None:
    site.deadline = 0.5
    site.server.acts("acme.example", Act.SILENCE)
    began = time.monotonic()
    found = site.sender_policy(peer())
    assert found.outcome is Outcome.TEMPORARY
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("asked", "domain"),
    [
        (peer(sender="eva@ACME.example"), "acme.example"),
        (peer(sender="eva@müller.example"), "xn--mller-kva.example"),
        (peer(sender='"x@evil.example"@acme.example'), "acme.example"),
        (peer(sender="", helo="MX.acme.example"), "mx.acme.example"),
        (peer(sender="", helo="mx.müller.example"), "mx.xn--mller-kva.example"),
        (peer(sender="@", helo="mx.acme.example"), "mx.acme.example"),
    ],
)
def test_I3_what_is_recorded_is_what_was_asked(site: Site, asked: Peer, domain: str) -> None:
    site.server.txt(domain, "v=spf1 ip4:192.0.2.7 -all")
    found = site.sender_policy(asked)
    assert (found.domain, found.outcome) == (domain, Outcome.PASS)
    assert {name for name, _ in site.server.asked} == {domain}


def test_I3_a_policy_may_ask_for_the_local_part_and_the_helo(site: Site) -> None:
    site.server.txt("acme.example", "v=spf1 exists:%{l}.%{h}.ok.acme.example -all")
    site.server.records("eva.mx.acme.example.ok.acme.example", "A", "127.0.0.2")
    site.server.records("postmaster.mx.acme.example.ok.acme.example", "A", "127.0.0.2")
    for sender in (EVA, "@acme.example"):
        found = site.sender_policy(peer(sender=sender))
        assert found.outcome is Outcome.PASS


@pytest.mark.parametrize(
    "odd",
    [
        peer(address="no address"),
        peer(address=""),
        peer(address="2001:db8::1"),
        peer(address="::ffff:192.0.2.7"),
        peer(sender=""),
        peer(sender="", helo=""),
        peer(sender="@"),
        peer(sender="a@b@c", helo="%{d}"),
        peer(sender="é@ü.example"),
        peer(sender="x" * 5000),
        peer(sender='"%{l}"@acme.example'),
        peer(sender="a@" + "x" * 200 + ".example"),
    ],
)
def test_I3_an_odd_peer_is_recorded_and_breaks_nothing(site: Site, odd: Peer) -> None:
    site.server.txt("acme.example", "v=spf1 exists:%{l}.%{d2r}.%{p}.acme.example -all exp=%{h}")
    assert isinstance(site.sender_policy(odd).outcome, Outcome)


@pytest.mark.parametrize(
    "record",
    [
        "v=spf1 " + "%{" * 2000,
        "v=spf1 " + "a:" * 3000,
        "v=spf1 ip4:" + "9" * 4000,
        "v=spf1 ip6:::/999",
    ],
)
def test_I3_a_hostile_policy_is_recorded_and_breaks_nothing(site: Site, record: str) -> None:
    site.server.txt("acme.example", record)
    found = site.sender_policy(peer())
    assert found.outcome is not Outcome.PASS
