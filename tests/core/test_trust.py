"""E2, I3: trusting a forwarder is narrow, and each mail has to prove anew that it came by that forwarder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import dkim
import pytest

from maild.auth.finding import Finding, Outcome, Verdict
from maild.auth.trusted import (
    Trustable,
    is_believed,
    may_sign,
    sealed as sealed_by,
    trustable,
    trusted_proof,
)
from maild.core.app import OPERATOR, Actor, App
from maild.core.healing import heal
from maild.core.mailbox import undo
from maild.core.repairs import Asked, Repaired, repair, repairs_of
from maild.core.rulings import retry
from maild.core.seal import SealingKey
from maild.core.standing_rulings import forget_answer, list_remembered
from maild.core.verdicts import Prover
from maild.core.views import explain_mail
from maild.model.facts import Trust
from maild.model.reason import Reason, RefusedError
from maild.model.written import HostPort
from maild.settings import AuthSettings
from maild.testing.dns_server import DnsServer
from tests.auth.site import HEAD, Site, pem, rsa_key
from tests.core.company import LEA, READER, Post, a_company
from tests.core.conftest import Frozen
from tests.core.test_drops import FORWARD

EVA_SAYS, JAN_SAYS = "eva@acme.example", "jan@acme.example"
HOSTER = "acme-hosting.example"


@pytest.fixture
def server() -> Iterator[DnsServer]:
    with DnsServer() as server:
        yield server


@pytest.fixture
def site(server: DnsServer) -> Site:
    site = Site(server)
    for domain in (HOSTER, "other.example", "gmail.com"):
        site.has_key(domain)
    return site


@pytest.fixture
def post(app: App, server: DnsServer, clock: Frozen) -> Post:
    clock.now = datetime.now(UTC)  # A signature tells when it was made.
    a_company(app)
    auth = AuthSettings(dns=(HostPort("127.0.0.1", server.port),), dns_timeout=2.0)
    key = SealingKey.of("0123456789abcdef" * 3)
    return Post(replace(app, prover=Prover(auth), key=key))


def signed(post: Post, site: Site, *, by: str | None = HOSTER, from_: str = EVA_SAYS) -> str:
    """Send a forward that a server has signed with its own domain, and return its id."""
    mail = post.mail(from_, to="crm@acme.example", body=f"{FORWARD} {post.count}")
    if by is not None:
        mail = site.signed(mail, domain=by)
    return arrived(post, mail)


def arrived(post: Post, mail: bytes) -> str:
    post.send(mail, "crm@acme.example")
    post.decide()
    return str(post.lies()[-1]["ulid"])


def reason(post: Post) -> str:
    return str(post.lies()[-1]["reason"])


def trust(post: Post, ulid: str, domain: str | None = None, by: Actor = OPERATOR) -> Repaired:
    return repair(post.app, READER, ulid, Asked(action="trust-forwarder", value=domain), by=by)


def test_E2_what_a_trusted_signer_signed_is_proven_and_the_trace_says_who_said_so(
    post: Post, site: Site
) -> None:
    ulid = signed(post, site)
    assert reason(post) == "SENDER_NOT_VERIFIED"
    done = trust(post, ulid)
    assert (done.state.value, done.reason) == ("filed", "FILED_FORWARD")
    text = " ".join(step["text"] for step in explain_mail(post.app, ulid, by=OPERATOR)["trace"])
    assert f"a DKIM signature of {HOSTER} covers it, and The operator said on" in text


def test_E2_the_next_mail_that_it_signed_is_filed_at_once(post: Post, site: Site) -> None:
    trust(post, signed(post, site))
    signed(post, site)
    assert reason(post) == "FILED_FORWARD"


def test_E2_a_typed_from_without_the_signature_gains_nothing(post: Post, site: Site) -> None:
    trust(post, signed(post, site))
    signed(post, site, by=None)
    assert reason(post) == "SENDER_NOT_VERIFIED"


def test_E2_another_domains_signature_gains_nothing(post: Post, site: Site) -> None:
    trust(post, signed(post, site))
    signed(post, site, by="other.example")
    assert reason(post) == "SENDER_NOT_VERIFIED"


def test_E2_it_speaks_for_the_one_address_and_for_no_colleague(post: Post, site: Site) -> None:
    trust(post, signed(post, site))
    signed(post, site, from_=JAN_SAYS)
    assert reason(post) == "SENDER_NOT_VERIFIED"


def test_E2_a_signature_that_does_not_hold_any_more_gains_nothing(post: Post, site: Site) -> None:
    trust(post, signed(post, site))
    mail = site.signed(
        post.mail(EVA_SAYS, to="crm@acme.example", body=f"{FORWARD} true"), domain=HOSTER
    )
    arrived(post, mail.replace(b"true", b"fals"))
    assert reason(post) == "SENDER_NOT_VERIFIED"


def test_E2_where_nothing_is_verifiable_there_is_nobody_to_trust(post: Post, site: Site) -> None:
    ulid = signed(post, site, by=None)
    offered = [one.action for one in repairs_of(post.app, ulid, by=OPERATOR).repairs]
    assert offered == ["accept-once", "use-drop-address", "ignore"]
    with pytest.raises(RefusedError) as caught:
        trust(post, ulid)
    assert "Nothing in this mail is verifiable" in str(caught.value)
    assert [action.rpartition(" ")[2] for action in caught.value.actions] == [
        "accept-once",
        "use-drop-address",
    ]
    assert list_remembered(post.app, by=OPERATOR) == []


def test_E2_a_signer_for_everybody_is_not_offered(post: Post, site: Site) -> None:
    ulid = signed(post, site, by="gmail.com")
    offered = [one.action for one in repairs_of(post.app, ulid, by=OPERATOR).repairs]
    assert "trust-forwarder" not in offered


def test_E2_a_domain_that_the_mail_does_not_prove_is_refused(post: Post, site: Site) -> None:
    ulid = signed(post, site)
    with pytest.raises(RefusedError) as caught:
        trust(post, ulid, "other.example")
    assert caught.value.reason is Reason.INVALID_VALUE


def test_E2_who_is_no_admin_trusts_nobody(post: Post, site: Site) -> None:
    ulid = signed(post, site)
    with pytest.raises(RefusedError) as caught:
        trust(post, ulid, by=Actor(LEA))
    assert caught.value.reason is Reason.NOT_ALLOWED


def test_E2_what_is_trusted_is_listed_and_forgotten(post: Post, site: Site) -> None:
    trust(post, signed(post, site))
    [one] = list_remembered(post.app, by=OPERATOR)
    assert one.text == f"A DKIM signature of {HOSTER} speaks for {EVA_SAYS}."
    forget_answer(post.app, one.subject, by=OPERATOR)
    signed(post, site)
    assert reason(post) == "SENDER_NOT_VERIFIED"


def test_E2_undone_the_trust_ends_and_the_mail_is_held_again(post: Post, site: Site) -> None:
    change = trust(post, signed(post, site)).change
    undo(post.app, READER, by=OPERATOR, change_id=change)
    assert list_remembered(post.app, by=OPERATOR) == []
    assert reason(post) == "SENDER_NOT_VERIFIED"


def test_E2_who_is_no_admin_ends_no_trust_by_an_undo(post: Post, site: Site) -> None:
    change = trust(post, signed(post, site)).change
    with pytest.raises(RefusedError) as caught:
        undo(post.app, READER, by=Actor(LEA), change_id=change)
    assert caught.value.reason is Reason.NOT_ALLOWED
    assert len(list_remembered(post.app, by=OPERATOR)) == 1


def test_I4_the_other_mails_of_a_trusted_signer_are_offered_and_healed(
    post: Post, site: Site
) -> None:
    first = signed(post, site)
    signed(post, site)
    signed(post, site, by=None)
    others = trust(post, first).others
    assert others is not None
    assert others.count == 2
    assert heal(post.app, READER, others.names, by=OPERATOR).filed == 1


# --- seals ---------------------------------------------------------------------------------------------------------------


def sealed(post: Post, site: Site, results: str = "dmarc=pass header.from=acme.example") -> str:
    domain = "forwarder.example"
    site.has_key(domain, "arc")
    mail = post.mail(EVA_SAYS, to="crm@acme.example", body=f"{FORWARD} {post.count}")
    seen = f"Authentication-Results: mx.{domain}; {results}\r\n".encode()
    fields = dkim.arc_sign(
        seen + mail,
        b"arc",
        domain.encode(),
        pem(rsa_key()),
        f"mx.{domain}".encode(),
        include_headers=[*HEAD],
        timestamp=int(post.app.clock().timestamp()),
    )
    return arrived(post, b"".join(bytes(field) for field in fields) + mail)


def test_E2_a_forwarder_whose_seals_are_trusted_proves_what_it_saw(post: Post, site: Site) -> None:
    ulid = sealed(post, site)
    assert reason(post) == "SENDER_NOT_VERIFIED"
    done = trust(post, ulid, "forwarder.example")
    assert (done.state.value, done.reason) == ("filed", "FILED_FORWARD")
    sealed(post, site)
    assert reason(post) == "FILED_FORWARD"


def test_E2_a_trusted_seal_over_a_mail_that_failed_proves_nothing(post: Post, site: Site) -> None:
    trust(post, sealed(post, site), "forwarder.example")
    sealed(post, site, "dmarc=fail header.from=acme.example")
    assert reason(post) == "SENDER_NOT_VERIFIED"


def test_E2_undone_a_trusted_seal_ends_and_the_mail_is_held_again(post: Post, site: Site) -> None:
    change = trust(post, sealed(post, site), "forwarder.example").change
    assert reason(post) == "FILED_FORWARD"
    undo(post.app, READER, by=OPERATOR, change_id=change)
    assert reason(post) == "SENDER_NOT_VERIFIED"


def test_E2_what_a_seal_proved_is_not_believed_any_more_when_its_forwarder_is_not(
    post: Post, site: Site
) -> None:
    trust(post, sealed(post, site), "forwarder.example")
    later = sealed(post, site)
    assert reason(post) == "FILED_FORWARD"
    forget_answer(post.app, "forwarder.example", by=OPERATOR)
    retry(post.app, READER, [later], by=OPERATOR)
    assert reason(post) == "SENDER_NOT_VERIFIED"
    # And it is offered again, as before it was trusted.
    assert (trust(post, later, "forwarder.example").reason) == "FILED_FORWARD"


def test_E2_a_chain_is_believed_while_everybody_who_sealed_it_is_trusted() -> None:
    chain = Finding(
        method="arc",
        domain="outer.example",
        outcome=Outcome.PASS,
        words="the chain is whole",
        sealers=("inner.example", "outer.example"),
    )
    verdict = Verdict(
        findings=(chain,), proven=True, how=sealed_by("outer.example"), is_temporary=False
    )
    assert is_believed(Verdict.from_dict(verdict.to_dict()), ["inner.example", "outer.example"])
    assert not is_believed(verdict, ["outer.example"])


# --- by themselves -------------------------------------------------------------------------------------------------------


def found(method: str, domain: str, outcome: Outcome) -> Verdict:
    finding = Finding(method=method, domain=domain, outcome=outcome, words="")
    return Verdict(findings=(finding,), proven=False, how="", is_temporary=False)


TRUST = Trust(
    method="dkim",
    domain=HOSTER,
    address=EVA_SAYS,
    user="Lea",
    at=datetime(2026, 11, 20, tzinfo=UTC),
)


@pytest.mark.parametrize("outcome", [one for one in Outcome if one is not Outcome.PASS])
def test_I3_only_a_signature_that_passed_is_a_trusted_ones(outcome: Outcome) -> None:
    assert trusted_proof(EVA_SAYS, found("dkim", HOSTER, outcome), [TRUST]) is None
    assert trusted_proof(EVA_SAYS, found("dkim", HOSTER, Outcome.PASS), [TRUST]) is not None


def test_I3_a_sender_policy_that_passed_is_nothing_to_trust() -> None:
    verdict = found("spf", HOSTER, Outcome.PASS)
    assert trustable(verdict) == ()
    assert trusted_proof(EVA_SAYS, verdict, [TRUST]) is None


def test_I3_a_subdomain_of_a_trusted_signer_is_another_one() -> None:
    verdict = found("dkim", f"evil.{HOSTER}", Outcome.PASS)
    assert trusted_proof(EVA_SAYS, verdict, [TRUST]) is None


@pytest.mark.parametrize(
    ("domain", "may"),
    [
        ("gmail.com", False),
        ("sendgrid.net", False),
        ("em1234.sendgrid.net", False),
        ("amazonses.com", False),
        ("acme.onmicrosoft.com", True),
        ("acme-example.20230601.gappssmtp.com", True),
        (HOSTER, True),
    ],
)
def test_I3_who_signs_for_everybody_cannot_be_trusted(domain: str, may: bool) -> None:
    assert may_sign(domain) is may
    expected = (Trustable("dkim", domain),) if may else ()
    assert trustable(found("dkim", domain, Outcome.PASS)) == expected
