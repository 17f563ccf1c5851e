"""ARC: only forwarders whom the admin named, and all of them (I3)."""

from __future__ import annotations

import dkim
import pytest

from maild.auth.finding import Outcome, Verdict
from maild.testing.dns_server import Act
from tests.auth.site import EVA, HEAD, Site, a_mail, pem, rsa_key, the_one

SEALERS = ("forwarder.example",)
PASSED = "dmarc=pass header.from=acme.example"


def sealed(
    site: Site, mail: bytes, results: str = PASSED, *, domain: str = "forwarder.example"
) -> bytes:
    """Return the mail as a forwarder sends it on, with one set more on top."""
    site.has_key(domain, "arc")
    prefix = f"Authentication-Results: mx.{domain}; {results}\r\n".encode()
    fields = dkim.arc_sign(
        prefix + mail,
        b"arc",
        domain.encode(),
        pem(rsa_key()),
        f"mx.{domain}".encode(),
        include_headers=[*HEAD],
        timestamp=int(site.now.timestamp()),
    )
    assert fields
    return b"".join(bytes(field) for field in fields) + mail


def judged(site: Site, mail: bytes) -> Verdict:
    return site.verdict(mail, EVA, sealers=SEALERS)


def test_I3_a_trusted_sealer_who_saw_dmarc_pass_proves_it(site: Site) -> None:
    verdict = judged(site, sealed(site, a_mail()))
    assert verdict.proven
    assert "forwarder.example" in verdict.how
    assert the_one(verdict, "arc").outcome is Outcome.PASS


def test_I3_an_untrusted_sealer_adds_nothing_and_costs_no_question(site: Site) -> None:
    verdict = site.verdict(sealed(site, a_mail()), EVA)
    assert not verdict.proven
    assert the_one(verdict, "arc").outcome is Outcome.NONE
    assert site.server.asked == []


def test_I3_an_invented_first_set_behind_a_trusted_sealer_proves_nothing(site: Site) -> None:
    """An honest forwarder seals whatever chain holds: that it holds says nothing about who began it."""
    invented = sealed(site, a_mail(), domain="evil.example")
    mail = sealed(site, invented, f"arc=pass; {PASSED}")
    verdict = judged(site, mail)
    assert not verdict.proven
    assert the_one(verdict, "arc").words == "evil.example is not a trusted sealer"
    assert site.verdict(mail, EVA, sealers=[*SEALERS, "evil.example"]).proven  # The chain holds.


def test_I3_a_broken_seal_proves_nothing(site: Site) -> None:
    mail = sealed(site, a_mail())
    seal = mail.index(b"b=", mail.index(b"ARC-Seal")) + 20
    broken = mail[:seal] + (b"A" if mail[seal : seal + 1] != b"A" else b"B") + mail[seal + 1 :]
    verdict = judged(site, broken)
    assert the_one(verdict, "arc").outcome is Outcome.FAIL
    assert not verdict.proven


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"the  report", b"the invoice"),
        (b"Subject: A report", b"Subject: A reward"),
        (b"dmarc=pass", b"dmarc=pass  (really)"),
        (b"cv=none", b"cv=pass"),
        (b"i=1", b"i=2"),
        (b"ARC-Message-Signature", b"X-Message-Signature"),
    ],
)
def test_I3_what_was_changed_behind_the_sealer_proves_nothing(
    site: Site, old: bytes, new: bytes
) -> None:
    mail = sealed(site, a_mail())
    assert old in mail
    assert not judged(site, mail.replace(old, new)).proven


def test_I3_another_subject_on_top_of_a_sealed_mail_proves_nothing(site: Site) -> None:
    mail = sealed(site, a_mail())
    assert not judged(site, b"Subject: You are fired\r\n" + mail).proven
    assert not judged(site, mail.replace(b"To: crm", b"Subject : x\r\nTo: crm", 1)).proven


@pytest.mark.parametrize(
    "results",
    [
        "dmarc=fail header.from=acme.example",
        f"{PASSED}; dmarc=fail header.from=acme.example",
        "dmarc=pass header.from=evil.example",
        "dkim=pass header.d=acme.example",
        "dmarc=none header.from=acme.example",
    ],
)
def test_I3_a_sealer_who_saw_no_pass_for_our_from_proves_nothing(site: Site, results: str) -> None:
    assert not judged(site, sealed(site, a_mail(), results)).proven


def test_I3_a_chain_that_was_broken_on_its_way_proves_nothing(site: Site) -> None:
    mail = sealed(site, sealed(site, a_mail()), f"arc=fail; {PASSED}")
    assert not judged(site, mail).proven


def test_I3_a_sealer_may_change_what_it_seals_anew(site: Site) -> None:
    """The second forwarder adds a footer: the first one's signature breaks, the chain does not."""
    mail = sealed(site, a_mail()) + b"-- \r\nA footer\r\n"
    verdict = judged(site, sealed(site, mail, f"arc=pass; {PASSED}"))
    assert verdict.proven


def test_I3_a_key_of_a_sealer_that_cannot_be_had_now_is_temporary(site: Site) -> None:
    mail = sealed(site, a_mail())
    site.server.acts("arc._domainkey.forwarder.example", Act.SERVFAIL)
    verdict = judged(site, mail)
    assert not verdict.proven
    assert verdict.is_temporary
    site.server.acts("arc._domainkey.forwarder.example", None)
    assert judged(site, mail).proven


def test_I3_more_than_ten_sets_are_not_looked_at(site: Site) -> None:
    mail = a_mail()
    for number in range(1, 12):
        chain = b"".join(
            b"%s: i=%d; a=rsa-sha256; cv=pass; d=forwarder.example; s=arc; b=AAAA\r\n"
            % (name, number)
            for name in (b"ARC-Seal", b"ARC-Message-Signature", b"ARC-Authentication-Results")
        )
        mail = chain + mail
    verdict = judged(site, mail)
    assert "more than 10" in the_one(verdict, "arc").words
    assert site.server.asked == []


@pytest.mark.parametrize(
    "old", [b"ARC-Seal", b"ARC-Message-Signature", b"ARC-Authentication-Results"]
)
def test_I3_a_set_that_stands_twice_proves_nothing(site: Site, old: bytes) -> None:
    mail = sealed(site, a_mail())
    start = mail.index(old)
    end = mail.index(b"\r\nARC" if b"\r\nARC" in mail[start:] else b"\r\nFrom", start)
    verdict = judged(site, mail[start : end + 2] + mail)
    assert not verdict.proven
    assert the_one(verdict, "arc").words == "the chain is damaged"
    assert site.server.asked == []


def test_I3_a_set_whose_number_readers_disagree_about_proves_nothing(site: Site) -> None:
    mail = sealed(site, a_mail()).replace(b"ARC-Seal: ", b"ARC-Seal: xi=7; ")
    assert the_one(judged(site, mail), "arc").words == "the chain is damaged"


def test_I3_a_sealer_who_covers_a_part_of_the_body_proves_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = dkim.ARC.gen_header

    def partial(self: object, fields: list[tuple[bytes, bytes]], *rest: object) -> object:
        if any(name == b"bh" for name, _ in fields):
            fields.insert(1, (b"l", b"29"))
        return plain(self, fields, *rest)

    monkeypatch.setattr(dkim.ARC, "gen_header", partial)
    mail = sealed(site, a_mail())
    assert b" l=29;" in mail
    assert not judged(site, mail).proven
    chain, _, why = dkim.arc_verify(mail, dnsfunc=lambda *_, **__: site.key_text().encode())
    assert chain == dkim.CV_Pass, why  # The signature itself is good.
