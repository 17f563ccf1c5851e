"""F7: a person's mail is never taken for a machine's, whatever a person writes, quotes, attaches or forges by half."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from maild.model.letter import Kind, Letter
from maild.parse import read_letter

SAMPLES = Path(__file__).resolve().parents[2].parent / "shared" / "eml"

DSN = (
    "From: MAILER-DAEMON@mx.example\r\nSubject: Undelivered Mail Returned to Sender\r\nAuto-Submitted: auto-replied\r\n"
    "X-Failed-Recipients: bo@x.test\r\nReturn-Path: <>\r\nMessage-ID: <dsn@mx>\r\n"
    "Content-Type: multipart/report; report-type=delivery-status; boundary=i\r\n\r\n"
    "--i\r\n\r\n<bo@x.test>: 550 5.1.1 user unknown\r\n"
    "--i\r\nContent-Type: message/delivery-status\r\n\r\nFinal-Recipient: rfc822; bo@x.test\r\nAction: failed\r\n"
    "Status: 5.1.1\r\n--i--\r\n"
)
SUBJECTS = [
    "Re: Automatic reply: your offer",
    "Automatic reply: your offer",
    "Out of office on Friday",
    "Abwesenheit nächste Woche",
    "Undeliverable goods",
    "Undelivered Mail Returned to Sender",
    "Fwd: Undeliverable: Offer",
    "WG: Unzustellbar: Angebot",
    "failure notice",
    "Delivery report for Monday",
    "Read: your offer",
    "Accepted: Visit on Friday",
    "Invitation: Visit",
    "Report Domain",
    "[brokers] new house",
]
QUOTED_DSN = "Look what I got:\r\n\r\n" + "".join(f"> {line}\r\n" for line in DSN.splitlines())
PLAIN = "Content-Type: text/plain; charset=utf-8\r\n\r\n"
BODIES = {
    "plain": PLAIN + "Dear Eva, see you on Friday.\r\n",
    "quotes a bounce": PLAIN + QUOTED_DSN,
    "pastes a bounce": PLAIN + DSN,
    "forwards a bounce inline": PLAIN + "---------- Forwarded message ---------\r\n" + DSN,
    "tells of a failure": PLAIN + "<bo@x.test>: 550 5.1.1 user unknown, it says. What now?\r\n",
    "attaches a bounce": "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n\r\nsee below\r\n"
    f"--o\r\nContent-Type: message/rfc822\r\n\r\n{DSN}\r\n--o--\r\n",
    "attaches the parts of a bounce": "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n\r\nsee below\r\n"
    "--o\r\nContent-Type: message/delivery-status\r\n\r\nStatus: 5.1.1\r\n"
    "--o\r\nContent-Type: text/rfc822-headers\r\n\r\nFrom: a@x\r\n--o--\r\n",
    "attaches a receipt": "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n\r\nsee below\r\n"
    "--o\r\nContent-Type: message/disposition-notification\r\n\r\nDisposition: manual-action; displayed\r\n--o--\r\n",
    "attaches a complaint": "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n\r\nwhat is this?\r\n"
    "--o\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n--o--\r\n",
    "attaches a date": "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n\r\nsee the file\r\n"
    "--o\r\nContent-Type: text/calendar; method=REQUEST; name=a.ics\r\nContent-Disposition: attachment\r\n\r\n"
    "BEGIN:VCALENDAR\r\n--o--\r\n",
    "attaches a DMARC report": "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n\r\nwhat is this?\r\n"
    "--o\r\nContent-Type: application/zip; name=y.test!x.test!1!2.zip\r\n"
    "Content-Disposition: attachment; filename=y.test!x.test!1!2.zip\r\n\r\nPK\r\n--o--\r\n",
}
SENDERS = [
    "Ann <ann@x.test>",
    "Postmistress Ann <ann.postmaster@x.test>",
    "Ann <mailer@x.test>",
]
EXTRA = [
    "",
    "Auto-Submitted: no\r\n",
    "X-Autoreply: no\r\n",
    "List-Unsubscribe: <mailto:stop@tool.test>\r\n",
    "Precedence: normal\r\n",
    "In-Reply-To: <1@x>\r\nList-Unsubscribe: <https://tool.test>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
    "X-MS-Exchange-Generated-Message-Source: Mailbox Rules Agent\r\n",
    "Disposition-Notification-To: ann@x.test\r\n",
    "X-Failed-Recipients: bo@x.test\r\n",
    "Content-Class: urn:content-classes:message\r\n",
]


def read(from_: str, subject: str, extra: str, body: str) -> Letter:
    return read_letter(
        f"Return-Path: <ann@x.test>\r\nFrom: {from_}\r\nTo: crm@acme.example\r\nSubject: {subject}\r\n{extra}{body}".encode()
    )


@pytest.mark.parametrize("name", BODIES)
def test_F7_what_a_person_quotes_attaches_or_calls_it_makes_no_machine_of_a_person(
    name: str,
) -> None:
    for from_, subject, extra in product(SENDERS, SUBJECTS, EXTRA):
        found = read(from_, subject, extra, BODIES[name])
        assert (found.kind, found.kind_proof) == (Kind.NORMAL, ""), (from_, subject, extra)


@pytest.mark.parametrize(
    "subject", ["our new server", "Undeliverable goods", "Delivery report", "Hello"]
)
@pytest.mark.parametrize("local", ["postmaster", "noreply", "no-reply"])
def test_F7_who_minds_the_server_is_a_person_too(local: str, subject: str) -> None:
    found = read(f"Bo <{local}@x.test>", subject, "", BODIES["plain"])
    assert found.kind is Kind.NORMAL


def test_F7_a_car_in_the_subject_of_a_companys_letter_is_no_automatic_answer() -> None:
    """Companies set X-Auto-Response-Suppress on people's mail, and German letters are about an Auto."""
    subject = "Auto: Schaden vom 3. Mai"
    found = read(SENDERS[0], subject, "X-Auto-Response-Suppress: All\r\n", BODIES["plain"])
    assert found.kind is Kind.NORMAL


def test_F7_what_a_person_passes_on_of_a_bounce_settles_no_mail() -> None:
    for body in BODIES.values():
        assert read(SENDERS[0], "Fwd: failure notice", "", body).returned is None


HALF_MARKS = st.sampled_from(
    [
        "X-MS-Exchange-Message-Is-Ndr: ",
        "Content-Class: urn:content-classes:dsn",
        "Precedence: bulk",
        "X-Auto-Response-Suppress: All",
        "List-Unsubscribe: <x:>",
        "Feedback-ID: a:b",
        "X-Autogenerated: mirror",
        "Auto-Submitted: no",
    ]
)


@settings(max_examples=200, deadline=None)
@given(mark=HALF_MARKS, body=st.sampled_from(sorted(BODIES)), from_=st.sampled_from(SENDERS))
def test_F7_one_half_of_a_mark_is_none(mark: str, body: str, from_: str) -> None:
    assert read(from_, "Friday", mark + "\r\n", BODIES[body]).kind is Kind.NORMAL


CALENDARS = {
    "james/calendar.eml",
    "james/eml_calendar.eml",
    "james/invitationEmailFromOP.eml",
    "postal_mime/calendar-event.eml",
}
"""Invitations, which the manifest counts among the normal ones."""


def test_F7_no_mail_of_a_person_among_the_samples_is_a_machines() -> None:
    if not SAMPLES.exists():
        pytest.skip(f"no samples at {SAMPLES}")
    listed = json.loads((SAMPLES / "manifest.json").read_text(encoding="utf-8"))["files"]
    people = {entry["file"] for entry in listed if entry["expect"].get("kind") == "normal"}
    assert len(people) > 200
    taken = {
        name: kind
        for name in people
        if (kind := read_letter((SAMPLES / name).read_bytes()).kind) is not Kind.NORMAL
    }
    assert taken == dict.fromkeys(CALENDARS, Kind.CALENDAR)
