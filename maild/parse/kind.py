"""Whether a person or a machine made a mail, and which machine (F7; RFC 3464, 3834, 2369, 5965, 8098).

A person's mail must never be taken for a machine's: subjects and words count only beside something that no person's
mail program writes.  The proof is the field or shape that decided, for the trace.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from maild.model.letter import Kind
from maild.parse.charsets import decode_field
from maild.parse.header_block import Field, unfold
from maild.parse.parts import Part

_BOUNCE_SUBJECT = re.compile(
    r"(?:\W*(?:warning|error|fatal)\W+)?(?:"
    r"undeliver(?:able|ed)|non[- ]?remis|unzustellbar|onbestelbaar|mancato recapito|no se puede entregar|"
    r"delivery (?:status notification|failure|failed|report|has failed|problem|error)|"
    r"(?:mail|message|e-?mail) (?:delivery|system) (?:fail|error|problem|status)|mail delivery|"
    r"(?:mail|message) (?:could not be|not) delivered|could not send message|message delayed|"
    r"returned (?:mail|to sender)|failure (?:notice|delivery)|failed (?:mail|delivery)|mail failure|"
    r"nicht zugestellt|permanent (?:delivery )?(?:error|failure)|user unknown|"
    r"rejected(?: mail|:)|delayed (?:mail|delivery)|notification d.?.tat de (?:la )?distribution|"
    r"メールエラー|配信不能|不達|エラーメール|退信|系统退信)",
    re.IGNORECASE,
)
_BOUNCE_TEXT = re.compile(
    r"this is the qmail-send program|this is the (?:mail|postfix) (?:system|program)|"
    r"could not be delivered|was not delivered|undeliver|delivery (?:has )?fail|permanent (?:fatal )?error|"
    r"returned to sender|unknown user|user unknown|not listed in|reason for failure|550 ",
    re.IGNORECASE,
)
_AUTO_SUBJECT = re.compile(
    r"\W*(?:auto(?:matic|matisch|matische|matisk|matica|matique|\.|mated)?[ -]?"
    r"(?:reply|response|answer|antwort|antwoord|svar|risposta)\b|auto:|out of (?:the )?office|"
    r"automatische antwort|automatisch antwoord|r[ée]ponse automatique|risposta automatica|"
    r"respuesta autom[áa]tica|resposta autom[áa]tica|abwesenheit|abwesend|afwezig|absence|"
    r"fuera de (?:la )?oficina|fuori (?:sede|ufficio)|on (?:holiday|vacation|leave)|vacation)",
    re.IGNORECASE,
)
_TRANSCRIPT = re.compile(r"^.{0,20}(?:<<<|>>>) ?(?:RCPT TO:|5\d\d )", re.MULTILINE)
_MESSAGE = "message/rfc822"
_DMARC_REPORT = re.compile(
    r"(?:\[preview\] )?report domain: ?[\w.-]+ +submitter: ?[\w.-]+", re.IGNORECASE
)
_DAEMONS = frozenset(
    [
        "mailer-daemon",
        "mailerdaemon",
        "mail-daemon",
        "postmaster",
        "mail.delivery.system",
        "mailer_daemon",
    ]
)
_SURE_DAEMONS = _DAEMONS - {"postmaster"}
_AUTO_FIELDS = (
    b"x-autoreply",
    b"x-autorespond",
    b"x-autoresponder",
    b"x-auto-reply",
    b"x-autoreply-from",
    b"x-mail-autoreply",
)
_LIST_FIELDS = (b"list-id", b"list-post", b"mailing-list", b"x-mailing-list")
_REPORTS = {
    "delivery-status": Kind.BOUNCE,
    "global-delivery-status": Kind.BOUNCE,
    "feedback-report": Kind.REPORT,
    "disposition-notification": Kind.REPORT,
    "global-disposition-notification": Kind.REPORT,
    "tlsrpt": Kind.REPORT,
}


def kind_of(
    found: Sequence[Field], root: Part, *, subject: str, author: str, text: str
) -> tuple[Kind, str]:
    """Return the kind and its proof; NORMAL with an empty one.  `author` is the first From address as it stands."""
    facts = _Facts(found, root, subject, author, text)
    for question in (_report, _bounce, _auto_replied, _list, _calendar, _auto_generated):
        answer = question(facts)
        if answer is not None:
            return answer
    return Kind.NORMAL, ""


class _Facts:
    """What the questions are asked of."""

    def __init__(
        self, found: Sequence[Field], root: Part, subject: str, author: str, text: str
    ) -> None:
        self.root = root
        self.subject = subject
        self.local = author.partition("@")[0].strip("<\"' ").lower()
        self.text = text[:4096]
        self.types = [part.type for part in root.leaves()]
        self._topmost: dict[bytes, bytes] = {}
        for field in found:
            self._topmost.setdefault(field.name, field.value)

    def has(self, name: bytes) -> bool:
        return name in self._topmost

    def value(self, name: bytes) -> str:
        return " ".join(decode_field(unfold(self._topmost.get(name, b"")))[:500].split())

    @property
    def null_sender(self) -> bool:
        """Whether the mail came from nobody: what bounces and most automatic answers do (RFC 5321 4.5.5)."""
        return self.has(b"return-path") and self.value(b"return-path") in {"", "<>"}

    @property
    def daemon(self) -> bool:
        path = self.value(b"return-path").strip("<>").partition("@")[0].lower()
        return self.local in _SURE_DAEMONS or path in _SURE_DAEMONS

    @property
    def precedence(self) -> str:
        return self.value(b"precedence").lower()


def _report(facts: _Facts) -> tuple[Kind, str] | None:
    if facts.root.content_type.value == "multipart/report":
        named = facts.root.content_type.get("report-type").lower()
        for name in (named, *(kind.removeprefix("message/") for kind in facts.types)):
            if name in _REPORTS:
                return _REPORTS[name], f"multipart/report of type {name}"
        kind = Kind.BOUNCE if facts.null_sender or facts.daemon else Kind.REPORT
        return kind, "multipart/report"
    if "message/delivery-status" in facts.types and (facts.null_sender or facts.daemon):
        return Kind.BOUNCE, "a message/delivery-status part"
    if "message/feedback-report" in facts.types:
        return Kind.REPORT, "a message/feedback-report part"
    if _DMARC_REPORT.match(facts.subject):
        return Kind.REPORT, "the subject of a DMARC report (RFC 7489 7.2.1.1)"
    return None


def _bounce(facts: _Facts) -> tuple[Kind, str] | None:
    typical = _BOUNCE_SUBJECT.match(facts.subject) is not None
    if facts.has(b"x-failed-recipients") and (facts.daemon or facts.null_sender or typical):
        return Kind.BOUNCE, "X-Failed-Recipients"
    if facts.daemon and (typical or facts.null_sender or _BOUNCE_TEXT.search(facts.text)):
        return Kind.BOUNCE, "sent by a mailer daemon"
    if typical and facts.null_sender:
        return Kind.BOUNCE, "an empty Return-Path and the subject of a bounce"
    if facts.local in _DAEMONS and _MESSAGE in facts.types and _TRANSCRIPT.search(facts.text):
        return Kind.BOUNCE, f"from {facts.local} with the record of a refusal"
    machine = facts.local in _DAEMONS or facts.local.replace("-", "") in {"noreply", "donotreply"}
    if typical and machine:
        return Kind.BOUNCE, f"from {facts.local} with the subject of a bounce"
    return None


def _auto_submitted(facts: _Facts) -> str:
    return facts.value(b"auto-submitted").partition(";")[0].partition("(")[0].strip().lower()


def _auto_replied(facts: _Facts) -> tuple[Kind, str] | None:
    submitted = _auto_submitted(facts)
    if submitted.startswith(("auto-replied", "auto-notified")):
        return Kind.AUTO_REPLY, f"Auto-Submitted: {submitted[:60]}"
    for name in _AUTO_FIELDS:
        if facts.has(name) and facts.value(name).lower() not in {"no", "false", "0"}:
            return Kind.AUTO_REPLY, name.decode().title()
    if facts.precedence in {"auto_reply", "auto-reply"}:
        return Kind.AUTO_REPLY, f"Precedence: {facts.precedence}"
    if _AUTO_SUBJECT.match(facts.subject) and (beside := _machine_trace(facts, submitted)):
        return Kind.AUTO_REPLY, f"{beside} and the subject of an automatic answer"
    return None


def _machine_trace(facts: _Facts, submitted: str) -> str:
    """Return what besides the subject shows that a machine answered; mail programs of people write none of it."""
    if submitted not in {"", "no"}:
        return "Auto-Submitted"
    if facts.null_sender:
        return "an empty Return-Path"
    if facts.has(b"x-auto-response-suppress"):
        return "X-Auto-Response-Suppress"
    return f"Precedence: {facts.precedence}" if facts.precedence in {"bulk", "junk"} else ""


def _list(facts: _Facts) -> tuple[Kind, str] | None:
    for name in _LIST_FIELDS:
        if facts.has(name):
            return Kind.LIST, name.decode().title()
    bulk = facts.precedence in {"bulk", "list", "junk"}
    if facts.has(b"list-unsubscribe"):
        # Alone it does not suffice: sales tools write it into letters that a person wrote to one client.
        if bulk:
            return Kind.LIST, f"List-Unsubscribe and Precedence: {facts.precedence}"
        for name in (b"list-unsubscribe-post", b"feedback-id"):
            if facts.has(name):
                return Kind.LIST, f"List-Unsubscribe and {name.decode().title()}"
    if facts.precedence == "list":
        return Kind.LIST, "Precedence: list"
    return None


def _auto_generated(facts: _Facts) -> tuple[Kind, str] | None:
    submitted = _auto_submitted(facts)
    if submitted in {"", "no"}:
        return None
    return Kind.AUTO_REPLY, f"Auto-Submitted: {submitted[:60]}"


def _calendar(facts: _Facts) -> tuple[Kind, str] | None:
    for part in facts.root.leaves():
        method = part.content_type.get("method")
        if (
            part.type == "text/calendar"
            and method.isalpha()
            and part.disposition.value != "attachment"
        ):
            return Kind.CALENDAR, f"text/calendar with METHOD:{method.upper()[:20]}"
    return None
