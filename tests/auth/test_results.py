"""Authentication-Results of servers that the operator trusts, in the forms that they really have (I3)."""

from __future__ import annotations

import time

import authres
import pytest
from hypothesis import given, settings, strategies as st

from maild.auth.proof import proof_of
from maild.auth.results import GMAIL, M365, authserv_id_of, read_results, trusted_text
from maild.model.facts import Proven, Witness
from maild.parse import header_block

EVA = "eva@acme.example"
MICROSOFT = (
    "spf=pass (sender IP is 203.0.113.9) smtp.mailfrom=acme.example; dkim=pass (signature was verified)"
    " header.d=acme.example;dmarc=pass action=none header.from=acme.example;compauth=pass reason=100"
)
GOOGLE = (
    "mx.google.com;\r\n       dkim=pass header.i=@acme.example header.s=s1 header.b=AbC+/dEf;\r\n"
    "       spf=pass (google.com: domain of eva@acme.example designates 203.0.113.9 as permitted sender)"
    " smtp.mailfrom=eva@acme.example;\r\n       dmarc=pass (p=REJECT sp=REJECT dis=NONE)"
    " header.from=acme.example"
)
GOOGLE_RECEIVED = (
    "Received: by 2002:a05:6a10:1234:b0:4a:1:2 with SMTP id x1csp1; Sat, 21 Nov 2026 02:00:00 -0800\r\n",
    "Received: from mail.acme.example (mail.acme.example. [203.0.113.9]) by mx.google.com with ESMTPS id y2; Sat, 21 Nov 2026 02:00:00 -0800\r\n",
)
RECEIVED = "Received: from a.example by b.example; Sat, 21 Nov 2026 02:00:00 -0800\r\n"


def results(text: str) -> str:
    return f"Authentication-Results: {text}\r\n"


def proven(head: str, *trusted: str) -> bool:
    fields = header_block.fields((head + f"From: {EVA}\r\n").encode())
    text = trusted_text(fields, trusted)
    return isinstance(proof_of(EVA, [Witness(door="lmtp", trusted_results=text)]), Proven)


def test_I3_microsoft_s_form_without_an_id_proves_it_where_it_is_trusted() -> None:
    assert proven(results(MICROSOFT), M365)
    assert not proven(results(MICROSOFT), "mx.acme.example")
    assert not proven(results(MICROSOFT))


def test_I3_the_trace_names_microsoft() -> None:
    said = proof_of(EVA, [Witness(door="lmtp", trusted_results=MICROSOFT)])
    assert isinstance(said, Proven)
    assert said.how == "Microsoft 365, which is trusted here, says dmarc=pass for it"


def test_I3_microsoft_s_form_counts_only_above_the_first_received() -> None:
    assert not proven(RECEIVED + results(MICROSOFT), M365)


def test_I3_microsoft_s_form_counts_only_as_the_topmost() -> None:
    failed = MICROSOFT.replace("dmarc=pass", "dmarc=fail")
    assert not proven(results(failed) + results(MICROSOFT), M365)
    assert not proven(results("other.example; none") + results(MICROSOFT), M365)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("header.from=acme.example", "header.from=evil.example"),
        ("header.from=acme.example", "header.from=acme.example.evil.example"),
        ("header.from=acme.example", ""),
        ("dmarc=pass", "dmarc=bestguesspass"),
        ("dmarc=pass", "dmarc=temperror"),
        ("dmarc=pass", "x=(dmarc=pass)"),
        ("compauth=pass reason=100", "compauth=fail reason=000"),
    ],
)
def test_I3_microsoft_s_other_words_prove_nothing(old: str, new: str) -> None:
    assert not proven(results(MICROSOFT.replace(old, new)), M365)


def test_I3_nobody_can_call_itself_m365() -> None:
    assert not proven(results("m365; dmarc=pass header.from=acme.example"), M365)


def test_I3_gmail_s_form_proves_it_below_its_own_received() -> None:
    assert proven(results(GOOGLE), GMAIL)
    assert proven("".join(GOOGLE_RECEIVED) + results(GOOGLE), GMAIL)
    assert not proven("".join(GOOGLE_RECEIVED) + results(GOOGLE), "mx.acme.example")


def test_I3_gmail_s_form_below_anybody_else_s_received_is_forged() -> None:
    assert not proven(RECEIVED + results(GOOGLE), GMAIL)
    assert not proven(GOOGLE_RECEIVED[0] + RECEIVED + results(GOOGLE), GMAIL)
    assert not proven("".join(GOOGLE_RECEIVED) + RECEIVED + results(GOOGLE), GMAIL)
    claim = "Received: from by.mx.google.com by evil.example; x by mx.google.com with y\r\n"
    assert not proven(claim + results(GOOGLE), GMAIL)


def test_I3_forged_results_below_the_true_ones_are_ignored() -> None:
    true = results("mx.acme.example; dmarc=fail header.from=acme.example")
    forged = results("mx.acme.example; dmarc=pass header.from=acme.example")
    assert proven(forged, "mx.acme.example")  # Alone it would count.
    assert not proven(true + forged, "mx.acme.example")
    assert not proven(true + RECEIVED + forged, "mx.acme.example")
    assert not proven(RECEIVED * 2 + forged, "mx.acme.example")
    assert proven(RECEIVED + forged, "mx.acme.example")


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("mx.acme.example", True),
        ("MX.Acme.Example 1", True),
        ("mx.acme.example (our gateway) 1 (really)", True),
        ("mx.acme.example 2", False),
        ("mx.acme.example 1 1", False),
        ("mx.acme.example.evil.example", False),
        ("(mx.acme.example) evil.example", False),
        ("", False),
    ],
)
def test_I3_an_id_is_compared_whole_and_its_version_is_1(name: str, *, counts: bool) -> None:
    text = results(f"{name}; dmarc=pass header.from=acme.example")
    assert proven(text, "mx.acme.example") is counts


@pytest.mark.parametrize("name", ["Subject", "To", "Content-Type", "subject "])
def test_I3_of_a_mail_with_two_of_what_mails_have_once_no_server_s_word_counts(name: str) -> None:
    """Its DMARC passed by a signature that covers the lower one."""
    text = results("mx.acme.example; dmarc=pass header.from=acme.example")
    assert proven(text + "Subject: a\r\n", "mx.acme.example")
    assert not proven(text + f"{name}: a\r\n{name.strip()}: b\r\n", "mx.acme.example")


UNQUOTED = "a); dmarc=pass header.from=acme.example; auth=pass smtp.auth=eva@acme.example; x=(b"


def test_I3_a_result_that_the_sender_wrote_into_a_comment_contradicts_the_true_one() -> None:
    """As by servers that repeat a quoted local part in a comment without escaping it."""
    spf = f'spf=pass (domain of "{UNQUOTED}"@evil.example says so) smtp.mailfrom=evil.example'
    for true in ("dmarc=fail header.from=acme.example", "dmarc=none header.from=acme.example"):
        text = f"mx.acme.example; {spf}; {true}; auth=none"
        assert [one.method for one in read_results(text)].count("dmarc") == 2
        assert not proven(results(text), "mx.acme.example")


def test_I3_who_signed_in_must_be_named() -> None:
    """Without, the sender of an envelope is what somebody who is signed in typed."""
    assert not proven(
        results("mx.acme.example; auth=pass smtp.mailfrom=eva@acme.example"), "mx.acme.example"
    )
    both = "mx.acme.example; auth=pass smtp.auth=eva@acme.example smtp.mailfrom=x@acme.example"
    assert proven(results(both), "mx.acme.example")


def test_I3_what_is_never_closed_says_nothing() -> None:
    for text in ("(", '"', "(()", '" \\"'):
        assert read_results(f"id; dmarc=fail {text}; dmarc=pass header.from=acme.example") == ()


def test_I3_a_temporary_error_upstream_is_no_pass_and_is_named() -> None:
    text = "mx.acme.example; dmarc=temperror header.from=acme.example"
    said = proof_of(EVA, [Witness(door="lmtp", trusted_results=text)])
    assert not isinstance(said, Proven)
    assert "dmarc=temperror" in said.verdict


@pytest.mark.parametrize(
    "text",
    [GOOGLE, "mx.acme.example 1; spf=fail smtp.mailfrom=a@b.example; dmarc=pass header.from=c.d"],
)
def test_another_reader_finds_the_same_results(text: str) -> None:
    theirs = authres.AuthenticationResultsHeader.parse(f"Authentication-Results: {text}")
    assert authserv_id_of(text) == theirs.authserv_id
    ours = read_results(text)
    assert [(one.method, one.result) for one in ours] == [
        (one.method, one.result) for one in theirs.results
    ]
    for mine, their in zip(ours, theirs.results, strict=True):
        for one in their.properties:
            assert mine.properties[f"{one.type}.{one.name}"] == one.value


def test_hostile_results_take_no_time() -> None:
    began = time.monotonic()
    for hostile in (" ", "(", '"', '\\"', "=", ";", "a=", '"\\'):
        read_results("id; " + hostile * (16_000 // len(hostile)))
    assert time.monotonic() - began < 10


@settings(max_examples=300)
@given(st.text(alphabet='adm=;"\\() .1i', max_size=80) | st.text(max_size=200))
def test_no_text_makes_reading_results_raise(text: str) -> None:
    read_results(text)
    authserv_id_of(text)
    trusted_text([(b"authentication-results", text.encode())], ["a", M365])
