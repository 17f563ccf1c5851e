"""One question, one answer, whatever the bytes (I3)."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

import pytest
from dkim.canonicalization import Relaxed, Simple
from hypothesis import HealthCheck, example, given, settings, strategies as st

from maild.auth.dns import Dns
from maild.auth.finding import Outcome, Verdict
from maild.auth.proof import proof_of
from maild.auth.signed import BodyDigest, Damaged, read_signed
from maild.auth.verdict import verify
from maild.model.facts import Proven, Unproven, Witness
from maild.testing.dns_server import Act
from tests.auth.site import EVA, Site, a_mail

QUIET = Dns(["127.0.0.1"], port=1, questions=0)
"""Answers nothing, and asks nobody."""


def test_I3_a_verdict_survives_being_stored(site: Site) -> None:
    site.server.acts("late._domainkey.acme.example", Act.SERVFAIL)
    mail = site.signed(site.signed(a_mail()), selector="late")
    for one in (site.verdict(mail), site.verdict(a_mail()), site.verdict(b"")):
        assert Verdict.from_dict(json.loads(json.dumps(one.to_dict()))) == one


@pytest.mark.parametrize("stored", [{}, {"findings": 1}, {"findings": [{}]}, {"findings": [1]}])
def test_what_is_not_a_verdict_is_said_so(stored: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not a verdict"):
        Verdict.from_dict(stored)


def test_I3_a_verdict_is_a_witness_among_others(site: Site) -> None:
    proven = site.verdict(site.signed(a_mail()))
    unproven = site.verdict(a_mail())
    said = proof_of(EVA, [Witness(door="smtp")], proven)
    assert said == Proven(proven.how)
    assert proof_of(EVA, [], unproven) == Unproven("it carries no signature")
    listener = [Witness(door="smtp", authenticated_for=("acme.example",))]
    assert isinstance(proof_of(EVA, listener, unproven), Proven)
    failed = [Witness(door="smtp", trusted_results="mx.acme.example; dmarc=fail")]
    assert proof_of(EVA, failed, unproven) == Unproven(
        "it carries no signature; the trusted server says dmarc=fail"
    )


def test_I3_an_author_that_is_no_address_is_never_proven(site: Site) -> None:
    for author in ("", "eva", "eva@", "@acme.example", "a@b@acme.example"):
        verdict = site.verdict(site.signed(a_mail()), author)
        assert not verdict.proven
        assert not verdict.is_temporary


def test_I3_lines_that_end_with_a_line_feed_alone_are_read_as_they_were_signed(site: Site) -> None:
    mail = site.signed(a_mail()).replace(b"\r\n", b"\n")
    assert site.verdict(mail, EVA).proven


def test_a_file_that_is_gone_is_the_operator_s_to_know(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="gone"):
        verify(tmp_path / "gone", EVA, QUIET, now=Site(None).now)  # type: ignore[arg-type]  # no DNS


WORDS = st.sampled_from(
    [
        *(b"DKIM-Signature:", b"ARC-Seal:", b"ARC-Message-Signature:", b"From:", b"\r\n", b"\r\n "),
        *(b"ARC-Authentication-Results:", b"i=1;", b"v=1;", b"a=rsa-sha256;", b"d=acme.example;"),
        *(
            b"s=s1;",
            b"h=from:to;",
            b"b=AAAA;",
            b"bh=AAAA;",
            b"cv=none;",
            b"cv=pass;",
            b"c=relaxed;",
        ),
        *(
            b"x=99999999999999999999;",
            b"t=1;",
            b"i=@acme.example;",
            b"eva@acme.example",
            b";",
            b"=",
        ),
        *(
            b"\r",
            b"\n",
            b"\0",
            b"\xff",
            b" ",
            b"q=dns/txt;",
            b"mx; dmarc=pass header.from=acme.example",
        ),
    ]
)
HEADS = st.lists(WORDS, max_size=40).map(b"".join)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.binary(max_size=400) | HEADS | HEADS.map(lambda head: b"From: eva@acme.example\r\n" + head)
)
@example(
    b"From: eva@acme.example\r\nDKIM-Signature: v=1; i=x; d=x; s=x; h=from; b=; bh=; a=rsa-sha256"
)
@example(b"From: eva@acme.example\r\nDKIM-Signature: x=" + b"9" * 5000)
def test_I3_no_bytes_make_verification_raise_or_prove(mail: bytes) -> None:
    site = Site(None)  # type: ignore[arg-type]  # this one has no server
    sealers = ["acme.example"]
    verdict = verify(mail, EVA, QUIET, now=site.now, trusted_sealers=sealers)
    assert not verdict.proven
    assert all(isinstance(one.outcome, Outcome) for one in verdict.findings)
    assert "\n" not in verdict.how


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=400))
@example(b"v=DKIM1; p=" + b"A" * 400)
@example(b"v=DKIM1; p=MAA=")
def test_I3_no_key_record_makes_verification_raise_or_prove(site: Site, record: bytes) -> None:
    mail = site.signed(a_mail())
    site.server.txt("s1._domainkey.acme.example", record)
    verdict = site.verdict(mail)
    assert not verdict.proven
    assert not verdict.is_temporary


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(0), st.binary(min_size=1, max_size=3))
def test_I3_no_damage_to_a_signed_mail_makes_verification_raise_or_prove_another(
    site: Site, place: int, piece: bytes
) -> None:
    mail = site.signed(a_mail())
    end = mail.index(b"From: ")
    at = place % end
    site.verdict(
        mail[:at] + piece + mail[at + len(piece) :], EVA
    )  # In the signature: fold or fail.
    at = end + place % (len(mail) - end)
    damaged = mail[:at] + piece + mail[at + len(piece) :]
    if site.verdict(damaged, EVA).proven:  # Blanks at most, and names of fields in other letters.
        assert b"".join(damaged.split()).lower() == b"".join(mail.split()).lower()


BODIES = st.lists(
    st.sampled_from([b"a", b" ", b"\t", b"\r\n", b"\r", b"  \r\n", b"word"]), max_size=40
).map(lambda pieces: b"".join(pieces) + b".\r\n")


@settings(max_examples=300)
@given(BODIES, st.lists(st.integers(1, 7), max_size=60), st.integers(0, 3))
def test_a_body_is_hashed_as_dkimpy_would_whatever_the_pieces(
    body: bytes, sizes: list[int], ends: int
) -> None:
    body += b"\r\n" * ends
    for form, theirs in ((False, Simple), (True, Relaxed)):
        ours = BodyDigest(is_relaxed=form)
        rest = body
        for size in [*sizes, len(body)]:
            ours.update(rest[:size])
            rest = rest[size:]
        expected = hashlib.sha256(theirs.canonicalize_body(body)).digest()
        assert ours.finish() == expected


@pytest.mark.parametrize("body", [b"", b"\r\n", b"\r\n\r\n", b"a", b"a\r", b" \r\n\t\r\n"])
def test_bodies_at_the_edge_are_hashed_as_dkimpy_would(body: bytes) -> None:
    for form, theirs in ((False, Simple), (True, Relaxed)):
        ours = BodyDigest(is_relaxed=form)
        ours.update(body)
        assert ours.finish() == hashlib.sha256(theirs.canonicalize_body(body)).digest()


def test_I3_bodies_made_to_take_time_take_none() -> None:
    """Two megabytes of blanks: a canonicaliser that looks ahead from each would take hours."""
    began = time.monotonic()
    for body in (b" " * 2_000_000, b"\r\n" * 1_000_000, b" \r" * 1_000_000, b"\t\n" * 1_000_000):
        digest = BodyDigest(is_relaxed=True)
        for at in range(0, len(body), 1 << 16):
            digest.update(body[at : at + (1 << 16)])
        digest.finish()
    assert time.monotonic() - began < 20


def test_I3_headers_made_to_take_time_take_none(site: Site) -> None:
    began = time.monotonic()
    for value in (b"b" + b" " * 7000, b"b=" + b" b=" * 2500, b"h=" + b"a:" * 3500, b"v=1;" * 1900):
        head = b"DKIM-Signature: " + value + b"\r\n" + b"a: \r\n" * 1900
        site.verdict(head + a_mail(), EVA)
        site.verdict((b"DKIM-Signature: " + value + b"\r\n") * 30 + a_mail(), EVA)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("mail", "why"),
    [
        (b"To: a@b.example\r\n\r\n", "0 From fields"),
        (b"From: a@b.example\r\nno field\r\n\r\n", "not a header field"),
        (b"From : a@b.example\r\n\r\n", "space"),
        (b"From: a@b.example\r\nX: y\rFrom: c@d.example\r\n\r\n", "lone carriage return"),
        (b"From: a@b.example\r\nX: " + b"y" * 300_000, "longer than 256 KiB"),
        (b"From: a@b.example\r\n\tfrom: c@d.example\r\nFROM: x\r\n\r\n", "2 From fields"),
    ],
)
def test_I3_a_header_that_can_be_read_in_two_ways_says_why(mail: bytes, why: str) -> None:
    read = read_signed(mail)
    assert isinstance(read, Damaged)
    assert why in read.why
