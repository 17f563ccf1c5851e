"""Reports, which say themselves what they are, and bounces, which often do not (RFC 6522, 3464, 5965, 8098, 8460, 7489)."""

from __future__ import annotations

import re

from maild.model.letter import Kind
from maild.parse.bounces import reports_success
from maild.parse.kinds.marks import Marks

_RECEIPT = "a read receipt"
_COMPLAINT = "a complaint about a mail, such as spam"
_REPORTS = {
    "delivery-status": (Kind.BOUNCE, "a report on delivery"),
    "global-delivery-status": (Kind.BOUNCE, "a report on delivery"),
    "feedback-report": (Kind.REPORT, _COMPLAINT),
    "disposition-notification": (Kind.REPORT, _RECEIPT),
    "global-disposition-notification": (Kind.REPORT, _RECEIPT),
    "tlsrpt": (Kind.REPORT, "a report on encryption"),
}
_STATUS_PART = "message/delivery-status"
_COMPLAINT_PART = "message/feedback-report"
_RECEIPT_PART = "message/disposition-notification"
_DMARC_SUBJECT = re.compile(
    r"(?:\[preview\] )?report domain: ?[\w.-]{1,255} {1,9}submitter: ?[\w.-]", re.IGNORECASE
)
# RFC 7489 7.2.1.1: receiver ! domain ! begin ! end [! id] . extension
_DMARC_FILE = re.compile(
    r"[\w.-]{1,255}![\w.-]{1,255}!\d{1,15}!\d{1,15}(?:![\w.-]{1,200})?\.(?:xml|xml\.gz|gz|zip)",
    re.IGNORECASE | re.ASCII,
)
_TLS_TYPES = frozenset({"application/tlsrpt+gzip", "application/tlsrpt+json"})
_NDR = b"x-ms-exchange-message-is-ndr"


def report(marks: Marks) -> tuple[Kind, str] | None:
    """Return the kind of what is a report by its own parts or by a subject that a standard prescribes."""
    root = marks.root.content_type
    if root.value == "multipart/report":
        named = root.get("report-type").lower()
        for name in (named, *(part.type.removeprefix("message/") for part in marks.leaves)):
            if name in _REPORTS:
                return _as_it_went(marks, *_REPORTS[name], f"multipart/report of type {name}")
        kind = Kind.BOUNCE if marks.has_null_sender or marks.is_daemons else Kind.REPORT
        return kind, "multipart/report"
    if _is_dmarc(marks):
        return Kind.REPORT, "a DMARC report"
    if marks.has(b"tls-report-domain") or not _TLS_TYPES.isdisjoint(marks.types):
        return Kind.REPORT, "a report on encryption: application/tlsrpt"
    return _by_part(marks)


def _by_part(marks: Marks) -> tuple[Kind, str] | None:
    """Return what a part shows in a mail that is no report as a whole; a person may send such a part on."""
    is_servers = marks.is_daemons or (marks.is_postmasters and marks.is_titled_bounce)
    if _STATUS_PART in marks.types and (marks.has_null_sender or is_servers):
        return _as_it_went(marks, Kind.BOUNCE, "a report on delivery", f"a {_STATUS_PART} part")
    if marks.has_null_sender or marks.submitted:
        if _RECEIPT_PART in marks.types:
            return Kind.REPORT, f"{_RECEIPT}: a {_RECEIPT_PART} part"
        if _COMPLAINT_PART in marks.types:
            return Kind.REPORT, f"{_COMPLAINT}: a {_COMPLAINT_PART} part"
    if marks.value(b"content-class").lower() == "urn:content-classes:mdn":
        return Kind.REPORT, f"{_RECEIPT}: Content-Class"
    return None


def _as_it_went(marks: Marks, kind: Kind, what: str, shape: str) -> tuple[Kind, str]:
    """Return what a report is; one that says that the mail arrived is no bounce."""
    if kind is Kind.BOUNCE and reports_success(marks.raw, marks.leaves):
        return Kind.REPORT, f"a report that a mail arrived or went on: {shape}"
    return kind, f"{what}: {shape}"


def _is_dmarc(marks: Marks) -> bool:
    if _DMARC_SUBJECT.match(marks.subject):
        return True
    # People send such files on.
    if len(marks.leaves) > 1 and not (marks.submitted or marks.has_null_sender):
        return False
    names = (
        part.disposition.get("filename") or part.content_type.get("name") for part in marks.leaves
    )
    return any(_DMARC_FILE.fullmatch(name) for name in names)


def bounce(marks: Marks) -> tuple[Kind, str] | None:
    """Return a bounce without the parts of one: by who sent it, together with what it is called or says."""
    proof = _from_a_server(marks) or _from_nobody(marks) or _from_a_postmaster(marks)
    return (Kind.BOUNCE, proof) if proof else None


def _from_a_server(marks: Marks) -> str:
    if marks.has(b"x-failed-recipients") and (
        marks.is_daemons or marks.has_null_sender or marks.may_be_servers
    ):
        return "X-Failed-Recipients"
    if marks.is_daemons and (
        marks.is_titled_bounce
        or marks.has_null_sender
        or marks.brings_a_mail
        or marks.names_somebody
    ):
        return "sent by a mail server's own address"
    return ""


def _from_nobody(marks: Marks) -> str:
    if not marks.has_null_sender:
        return ""
    if marks.is_titled_bounce:
        return "no address to answer to (an empty Return-Path), and the subject of a bounce"
    if marks.brings_a_mail and marks.tells_of_a_failure:
        return "no address to answer to (an empty Return-Path), and a mail that came back"
    return ""


def _from_a_postmaster(marks: Marks) -> str:
    """Return a proof where the address is a person's at times: a word more is asked for."""
    if not marks.may_be_servers:
        return ""
    if marks.is_postmasters and (
        marks.has(_NDR) or marks.value(b"content-class").lower() == "urn:content-classes:dsn"
    ):
        return f"from {marks.local}, marked as a notice of non-delivery"
    if marks.is_postmasters and marks.is_titled_exactly:
        return f"from {marks.local} with the subject of a bounce"
    if marks.is_titled_bounce and (marks.brings_a_mail or marks.tells_of_a_failure):
        return f"from {marks.local} with the subject and content of a bounce"
    if marks.brings_a_mail and marks.tells_of_a_failure:
        return f"from {marks.local} with a mail that came back, and why"
    return ""
