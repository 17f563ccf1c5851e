"""DKIM as proof of the From: real signatures, keys on a real DNS server (I3)."""

from __future__ import annotations

import base64
import re
from datetime import timedelta
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from maild.auth.finding import Outcome
from maild.auth.verdict import verify
from maild.testing.dns_server import Act
from tests.auth.site import (
    EVA,
    HEAD,
    Site,
    a_mail,
    ed_key,
    pem,
    published,
    published_ed,
    rsa_key,
    the_one,
)


@pytest.mark.parametrize("head", [b"simple", b"relaxed"])
@pytest.mark.parametrize("body", [b"simple", b"relaxed"])
def test_I3_a_signature_of_the_from_domain_proves_it(site: Site, head: bytes, body: bytes) -> None:
    verdict = site.verdict(site.signed(a_mail(), form=(head, body)))
    assert verdict.proven
    assert "acme.example" in verdict.how
    assert the_one(verdict).outcome is Outcome.PASS


def test_I3_it_costs_one_question_when_the_domains_are_the_same(site: Site) -> None:
    site.verdict(site.signed(a_mail()))
    assert site.server.asked == [("s1._domainkey.acme.example", "TXT")]


def test_I3_an_ed25519_signature_proves_it_too(site: Site) -> None:
    site.server.txt("ed._domainkey.acme.example", f"v=DKIM1; k=ed25519; p={published_ed(ed_key())}")
    seed = base64.b64encode(ed_key().private_bytes_raw())
    signature = dkim.sign(
        a_mail(),
        b"ed",
        b"acme.example",
        seed,
        signature_algorithm=b"ed25519-sha256",
        include_headers=[*HEAD],
    )
    assert site.verdict(signature + a_mail()).proven
    assert not site.verdict(signature + a_mail(body=b"other")).proven
    assert not site.verdict(signature + a_mail().replace(b"A report", b"Another")).proven


def test_I3_an_ed25519_signature_of_a_wrong_length_is_not_good(site: Site) -> None:
    site.has_key(k="ed25519", p=published_ed(ed_key()))
    mail = site.signed(a_mail()).replace(b"a=rsa-sha256", b"a=ed25519-sha256")
    assert the_one(site.verdict(mail)).outcome is Outcome.FAIL


def test_I3_an_ed25519_signature_with_an_rsa_key_does_not_count(site: Site) -> None:
    mail = site.signed(a_mail()).replace(b"a=rsa-sha256", b"a=ed25519-sha256")
    assert the_one(site.verdict(mail)).outcome is Outcome.PERMANENT


def test_I3_a_mail_in_a_file_is_read_in_pieces(site: Site, tmp_path: Path) -> None:
    body = b"a long  line \t\r\n" * 20_000 + b"\r\n" * 70_000
    path = tmp_path / "mail"
    path.write_bytes(site.signed(a_mail(body=body)))
    assert verify(path, EVA, site.dns(), now=site.now).proven
    path.write_bytes(path.read_bytes().replace(b"line", b"lime", 1))
    assert not verify(path, EVA, site.dns(), now=site.now).proven


def test_I3_a_body_that_was_changed_is_not_proven(site: Site) -> None:
    verdict = site.verdict(site.signed(a_mail()).replace(b"report.", b"invoice."))
    assert not verdict.proven
    assert not verdict.is_temporary
    assert the_one(verdict).outcome is Outcome.FAIL
    assert site.server.asked == []


def test_I3_a_header_that_was_changed_is_not_proven(site: Site) -> None:
    verdict = site.verdict(site.signed(a_mail()).replace(b"A report", b"A reward"))
    assert the_one(verdict).outcome is Outcome.FAIL
    assert not verdict.proven


def test_I3_a_signature_by_another_key_is_not_proven(site: Site) -> None:
    verdict = site.verdict(site.signed(a_mail(), key=rsa_key(2048, 1)))
    assert the_one(verdict).outcome is Outcome.FAIL


def test_I3_a_partial_body_counts_as_none(site: Site) -> None:
    verdict = site.verdict(site.signed(a_mail(), length=True))
    assert not verdict.proven
    assert the_one(verdict).outcome is Outcome.PERMANENT
    assert "l=" in the_one(verdict).words


def _resigned(mail: bytes, tag: bytes) -> bytes:
    """Sign with one more tag: dkimpy has no word for it, so it goes in between the fields and the hash."""

    class Signer(dkim.DKIM):  # type: ignore[misc]  # the library has no types
        def gen_header(self, fields: list[tuple[bytes, bytes]], *rest: object) -> bytes:
            name, _, value = tag.partition(b"=")
            kept = [one for one in fields if one[0] != name]
            return bytes(super().gen_header([kept[0], (name, value), *kept[1:]], *rest))

    signature = Signer(mail).sign(
        b"s1",
        b"acme.example",
        pem(rsa_key()),
        canonicalize=(b"relaxed", b"relaxed"),
        include_headers=[*HEAD],
    )
    return bytes(signature) + mail


def test_I3_an_expired_signature_counts_as_none(site: Site) -> None:
    mail = _resigned(a_mail(), b"t=1000; x=%d" % (site.now.timestamp() - 60))
    verdict = site.verdict(mail)
    assert not verdict.proven
    assert "expired" in the_one(verdict).words


def test_I3_a_signature_that_was_valid_at_receipt_stays_valid(site: Site) -> None:
    mail = _resigned(a_mail(), b"t=1000; x=%d" % (site.now.timestamp() - 86_400))
    assert not site.verdict(mail).proven
    site.now -= timedelta(days=2)
    assert site.verdict(mail).proven


def test_I3_a_signature_of_the_future_does_not_count(site: Site) -> None:
    mail = _resigned(a_mail(), b"t=%d" % (site.now.timestamp() + 86_400))
    assert the_one(site.verdict(mail)).outcome is Outcome.PERMANENT


def test_I3_sha1_counts_as_none(site: Site) -> None:
    mail = site.signed(a_mail(), signature_algorithm=b"rsa-sha1")
    verdict = site.verdict(mail)
    assert the_one(verdict).outcome is Outcome.PERMANENT
    assert "SHA-1" in the_one(verdict).words


def test_I3_a_signature_that_leaves_the_from_out_does_not_count(site: Site) -> None:
    class_ = a_mail()
    signer = dkim.DKIM(class_)
    mail = site.signed(a_mail()).replace(b"h=from : ", b"h=", 1)
    mail = re.sub(rb"\bfrom\b(?= ?[:;])", b"sender", mail, count=3)
    assert signer is not None
    verdict = site.verdict(mail)
    assert the_one(verdict).words == "the signature does not cover the From"
    assert site.server.asked == []


@pytest.mark.parametrize(
    "second", [b"From: mallory@evil.example\r\n", b"FROM: eva@acme.example\r\n"]
)
@pytest.mark.parametrize("above", [True, False])
def test_I3_two_from_fields_prove_nobody(site: Site, second: bytes, *, above: bool) -> None:
    mail = site.signed(a_mail())
    mail = second + mail if above else mail.replace(b"To: crm", second + b"To: crm", 1)
    verdict = site.verdict(mail, EVA)
    assert not verdict.proven
    assert "2 From fields" in verdict.how
    assert site.server.asked == []


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\0"])
def test_I3_a_from_behind_a_bare_cr_proves_nobody(site: Site, end: bytes) -> None:
    site.has_key("evil.example")
    mail = a_mail("mallory@evil.example").replace(
        b"Subject: A report", b"Subject: hi" + end + b"From: eva@acme.example"
    )
    signed = site.signed(mail, "evil.example")
    assert not site.verdict(signed, EVA).proven
    assert not site.verdict(signed, "mallory@evil.example").proven


@pytest.mark.parametrize(
    "from_",
    [
        '"eva@acme.example" <mallory@evil.example>',
        '"eva@acme.example <eva@acme.example>" <mallory@evil.example>',
        "eva@acme.example <mallory@evil.example>",
        "eva@acme.example(<mallory@evil.example>",
        "eva@acme.example)mallory@evil.example",
        "<eva@acme.example><mallory@evil.example>",
        "<@acme.example,@evil.example:eva@acme.example>",
        '"eva@acme.example\\" <mallory@evil.example>',
        "=?utf-8?q?eva=40acme.example?= <mallory@evil.example>",
        "x: eva@acme.example, mallory@evil.example;",
        "mallory@evil.example, eva@acme.example",
        '"<eva@acme.example>"@evil.example',
    ],
)
def test_I3_quoted_words_in_the_from_prove_nobody_else(site: Site, from_: str) -> None:
    """Signed by evil.example, as it may; the strict From never makes it Eva's."""
    site.has_key("evil.example")
    verdict = site.verdict(site.signed(a_mail(from_), "evil.example"), EVA)
    assert not verdict.proven
    verdict = site.verdict(site.signed(a_mail(from_), "evil.example"))
    assert "acme" not in verdict.how


def test_I3_of_two_signatures_the_aligned_one_proves_it(site: Site) -> None:
    site.has_key("mailer.example")
    inner = site.signed(a_mail())
    for mail in (
        site.signed(inner, "mailer.example"),
        site.signed(site.signed(a_mail(), "mailer.example")),
    ):
        verdict = site.verdict(mail)
        assert verdict.proven
        assert {one.domain: one.outcome for one in verdict.findings} == {
            "acme.example": Outcome.PASS,
            "mailer.example": Outcome.PASS,
        }


def test_I3_of_two_signatures_a_broken_one_takes_nothing_away(site: Site) -> None:
    mail = b"DKIM-Signature: v=1; a=rsa-sha256; nonsense\r\n" + site.signed(a_mail())
    verdict = site.verdict(mail)
    assert verdict.proven
    assert [one.outcome for one in verdict.findings] == [Outcome.PERMANENT, Outcome.PASS]


def test_I3_a_good_signature_of_somebody_else_proves_nothing(site: Site) -> None:
    site.has_key("evil.example")
    verdict = site.verdict(site.signed(a_mail(), "evil.example"))
    assert the_one(verdict).outcome is Outcome.PASS
    assert not verdict.proven
    assert not verdict.is_temporary


def test_I3_a_domain_with_hyphens_is_one_domain(site: Site) -> None:
    site.has_key("my-company.example")
    site.has_key("my.example")
    mail = a_mail("eva@my-company.example")
    assert site.verdict(site.signed(mail, "my-company.example")).proven
    assert not site.verdict(site.signed(mail, "my.example")).proven
    assert not site.verdict(site.signed(a_mail("eva@my.example"), "my-company.example")).proven


def test_I3_a_domain_of_another_script_is_compared_by_its_a_label(site: Site) -> None:
    site.has_key("xn--mller-kva.example")
    mail = a_mail("eva@müller.example")
    assert site.verdict(site.signed(mail, "xn--mller-kva.example")).proven


def test_I3_only_the_topmost_five_signatures_count(site: Site) -> None:
    mail = site.signed(a_mail())
    for number in range(5):
        site.has_key(f"m{number}.example")
        mail = site.signed(mail, f"m{number}.example")
    verdict = site.verdict(mail)
    assert len(verdict.findings) == 5
    assert not verdict.proven
    assert site.server.count("s1._domainkey.acme.example") == 0


def test_I3_a_revoked_key_proves_nothing(site: Site) -> None:
    site.has_key(p="")
    verdict = site.verdict(site.signed(a_mail()))
    assert the_one(verdict).words == "its key is revoked"
    assert not verdict.proven
    assert not verdict.is_temporary


def test_I3_a_key_that_is_not_there_proves_nothing(site: Site) -> None:
    site.server.gone("s1._domainkey.acme.example")
    verdict = site.verdict(site.signed(a_mail()))
    assert the_one(verdict).outcome is Outcome.PERMANENT
    assert not verdict.is_temporary


def test_I3_a_small_key_counts_as_none(site: Site) -> None:
    site.server.txt("s1._domainkey.acme.example", "v=DKIM1; p=" + SMALL_PUBLIC)
    verdict = site.verdict(site.signed(a_mail(), key=rsa_key(1024)))
    assert the_one(verdict).words.startswith("its key has only 512 bits")
    site.has_key(bits="1024")
    assert site.verdict(site.signed(a_mail(), key=rsa_key(1024))).proven


SMALL_PUBLIC = (
    "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJB"
    "ALqTqlcbMSJdBj2/+JFsJcW2CgnRfgkKWsgLU1bDQDdsDbTnOhFVEbsHTS4DTG1VbVt6pAjH7PPbMpVTX9QJRZ8CAwEAAQ=="
)


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"t": "y"}, "only tests"),
        ({"t": "s:y"}, "only tests"),
        ({"s": "tlsrpt"}, "not for mail"),
        ({"h": "sha1"}, "does not allow"),
        ({"k": "ed25519"}, "damaged"),
        ({"k": "dsa"}, "unknown kind"),
        ({"v": "DKIM2"}, "unknown version"),
        ({"p": "AAAA"}, "damaged"),
        ({"p": "%%%"}, "damaged"),
    ],
)
def test_I3_a_key_that_is_not_for_this_does_not_count(
    site: Site, tags: dict[str, str], words: str
) -> None:
    site.has_key(**tags)
    verdict = site.verdict(site.signed(a_mail()))
    assert not verdict.proven
    assert words in the_one(verdict).words


def test_I3_a_key_for_its_own_domain_alone_does_not_sign_for_names_below(site: Site) -> None:
    site.has_key(t="s")
    assert site.verdict(site.signed(a_mail(), identity=b"@acme.example")).proven
    assert not site.verdict(site.signed(a_mail(), identity=b"@sub.acme.example")).proven


def test_I3_two_keys_of_one_name_prove_nothing(site: Site) -> None:
    key = f"v=DKIM1; p={published(rsa_key())}"
    site.server.txt("s1._domainkey.acme.example", key, key)  # Equal records are one.
    assert site.verdict(site.signed(a_mail())).proven
    site.server.txt("s1._domainkey.acme.example", key, f"v=DKIM1; p={published(rsa_key(2048, 1))}")
    for signer in (rsa_key(), rsa_key(2048, 1)):
        assert not site.verdict(site.signed(a_mail(), key=signer)).proven


def test_I3_texts_beside_the_key_do_not_disturb(site: Site) -> None:
    key = f"v=DKIM1; p={published(rsa_key())}"
    site.server.txt("s1._domainkey.acme.example", "v=spf1 -all", key, b"\xff\xfe")
    assert site.verdict(site.signed(a_mail())).proven


@pytest.mark.parametrize("act", list(Act))
def test_I3_a_temporary_dns_failure_is_temporary_and_heals(site: Site, act: Act) -> None:
    site.deadline = 0.6
    dns = site.dns()
    mail = site.signed(a_mail())
    site.server.acts("s1._domainkey.acme.example", act)
    verdict = site.verdict(mail, dns=dns)
    assert not verdict.proven
    assert verdict.is_temporary
    assert the_one(verdict).outcome is Outcome.TEMPORARY
    site.server.acts("s1._domainkey.acme.example", None)
    assert site.verdict(mail, dns=dns).proven


def test_I3_a_failure_for_a_stranger_s_signature_holds_nothing(site: Site) -> None:
    site.server.acts("s1._domainkey.mailer.example", Act.SERVFAIL)
    verdict = site.verdict(site.signed(a_mail(), "mailer.example"))
    assert the_one(verdict).outcome is Outcome.TEMPORARY
    assert not verdict.is_temporary


def test_I3_a_silent_stranger_does_not_use_up_the_time_of_the_aligned_signature(site: Site) -> None:
    site.deadline = 0.6
    site.server.acts("s1._domainkey.mailer.example", Act.SILENCE)
    verdict = site.verdict(site.signed(site.signed(a_mail()), "mailer.example"))
    assert verdict.proven
    assert verdict.findings[0].outcome is Outcome.TEMPORARY


def test_I3_a_mail_without_a_signature_says_so(site: Site) -> None:
    verdict = site.verdict(a_mail())
    assert verdict.how == "it carries no signature"
    assert not verdict.proven


def test_I3_an_enormous_signature_or_header_is_not_looked_at(site: Site) -> None:
    signed = site.signed(a_mail())
    long = signed.replace(b"v=1;", b"v=1; z=" + b"x" * 9000 + b";", 1)
    assert the_one(site.verdict(long)).outcome is Outcome.PERMANENT
    assert not site.verdict(b"X: y\r\n" * 2500 + signed).proven
    assert not site.verdict(b"X: " + b"y" * 300_000 + b"\r\n" + signed).proven
    assert site.server.asked == []


def test_I3_a_key_that_is_too_large_to_compute_with_does_not_count(site: Site) -> None:
    # The modulus is odd and of 12,000 bits; nobody needs to know its factors.
    public = RSAPublicNumbers(65537, (1 << 11_999) + 1).public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    site.has_key(p=base64.b64encode(der).decode())
    assert (
        the_one(site.verdict(site.signed(a_mail()))).words
        == "its key is too large to be computed with"
    )


def test_I3_a_key_whose_arithmetic_anybody_can_do_does_not_count(site: Site) -> None:
    """With the exponent 1 a signature is what it signs."""
    der = base64.b64decode(published(rsa_key()))
    assert der.endswith(b"\x02\x03\x01\x00\x01")
    site.has_key(p=base64.b64encode(der[:-3] + b"\x00\x00\x01").decode())
    assert the_one(site.verdict(site.signed(a_mail()))).words == "its key is no RSA key"


def test_I3_a_signature_for_an_agent_elsewhere_does_not_count(site: Site) -> None:
    for agent in (b"@evil.example", b"@notacme.example", b"@", b"eva"):
        verdict = site.verdict(_resigned(a_mail(), b"i=" + agent))
        assert not verdict.proven
        assert the_one(verdict).words == "the signature is for an agent of another domain"
    assert site.verdict(_resigned(a_mail(), b"i=eva@sales.acme.example")).proven


def test_I3_a_signature_over_more_fields_than_a_mail_has_is_not_looked_at(site: Site) -> None:
    names = [*HEAD, *(b"x%d" % number for number in range(300))]
    verdict = site.verdict(site.signed(a_mail(), include_headers=names))
    assert "more than 250 fields" in the_one(verdict).words
    assert site.server.asked == []


TWINS = [
    b"Subject: You are fired",
    b"To: anna@rossi.example",
    b"Date: Sun, 1 Jan 2023 10:00:00 +0000",
    b"Message-ID: <2@acme.example>",
]


@pytest.mark.parametrize("twin", TWINS)
def test_I3_a_second_field_on_top_of_the_signed_one_is_not_covered(site: Site, twin: bytes) -> None:
    """A signature covers the lowest, people read the topmost (RFC 6376 8.15)."""
    verdict = site.verdict(twin + b"\r\n" + site.signed(a_mail()))
    assert not verdict.proven
    assert the_one(verdict).outcome is Outcome.PERMANENT
    assert twin.partition(b":")[0].decode().lower() in the_one(verdict).words
    assert site.server.asked == []


def test_I3_a_second_field_that_nobody_signed_is_not_covered(site: Site) -> None:
    mail = site.signed(b"Content-Type: text/plain\r\n" + a_mail())
    assert site.verdict(mail).proven
    twin = b"Content-Type: multipart/mixed; boundary=report\r\n"
    assert not site.verdict(twin + mail).proven


def test_I3_an_obsolete_field_that_is_read_and_not_signed_is_not_covered(site: Site) -> None:
    """With a space before its colon, below the From, where the strict From lets it stand."""
    mail = site.signed(a_mail()).replace(b"To: crm", b"Subject : You are fired\r\nTo: crm", 1)
    assert not site.verdict(mail).proven


def test_I3_what_was_not_there_and_is_signed_as_not_there_is_not_added(site: Site) -> None:
    names = [*HEAD, b"from", b"cc", b"cc"]
    mail = site.signed(a_mail(), include_headers=names)
    assert site.verdict(mail).proven
    for added in (b"Cc: anna@rossi.example\r\n", b"Cc : anna@rossi.example\r\n"):
        assert not site.verdict(mail.replace(b"To: crm", added + b"To: crm", 1)).proven


def test_I3_two_fields_that_are_both_signed_are_covered(site: Site) -> None:
    mail = a_mail().replace(b"To: crm", b"To: info@firm.example\r\nTo: crm", 1)
    assert site.verdict(site.signed(mail, include_headers=[*HEAD, b"to"])).proven
    assert not site.verdict(site.signed(mail)).proven


def test_I3_fields_that_stand_many_times_do_not_disturb(site: Site) -> None:
    many = b"Received: from a by b\r\n" * 3 + b"X-Mark: 1\r\nX-Mark: 2\r\nComments : x\r\n"
    mail = site.signed(a_mail())
    assert site.verdict(mail.replace(b"To: crm", many + b"To: crm", 1)).proven
