"""What the demo sends, by which door, and what must become of it.

The sender's proof is the door: `signed-in` is a listener for authenticated users, `world` is anybody's, `lmtp` is an
MTA's hand-over.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One mail of the demo and its expected outcome."""

    mail: str
    """A file of `fixtures/eml`, without its ending."""
    door: str
    state: str
    reason: str
    owner: str = ""
    """The local part of whose mailbox it must lie in; empty: nobody's."""
    client: str = ""
    sender: str = ""
    """The local part of the one user who sent it; empty: none."""


def _forward(mail: str, sender: str, client: str, reason: str = "FILED_FORWARD") -> Step:
    return Step(
        mail=mail,
        door="signed-in",
        state="filed",
        reason=reason,
        owner=sender,
        client=client,
        sender=sender,
    )


def _held(mail: str, reason: str, door: str = "signed-in", sender: str = "") -> Step:
    return Step(mail=mail, door=door, state="held", reason=reason, owner="lea", sender=sender)


def _client(mail: str, client: str, reason: str = "FILED_CONTACT", door: str = "world") -> Step:
    return Step(mail=mail, door=door, state="filed", reason=reason, owner="lea", client=client)


ROSSI, DUPONT, NORDWIND, CASA = "Rossi Bau", "Dupont SARL", "Nordwind Logistik", "Casa Verde"

STEPS = (
    _forward("forward-gmail-en", "eva", ROSSI),
    _forward("forward-outlook-de", "anna", NORDWIND),
    _forward("forward-outlook-fr", "eva", DUPONT),
    _forward("forward-gmail-es", "anna", CASA),
    _forward("forward-outlook-it", "tom", ROSSI),
    _forward("forward-gmail-nl", "jan", NORDWIND),
    _forward("forward-applemail-de", "anna", ROSSI),
    _forward("forward-thunderbird-en", "tom", DUPONT),
    _forward("forward-attached-with-pdf", "eva", ROSSI),
    _held("forward-client-unknown", "CLIENT_NOT_FOUND", sender="anna"),
    _held("forward-client-ambiguous", "CLIENT_AMBIGUOUS", sender="jan"),
    _held("forward-original-name-only", "FORWARD_NOT_FOUND", sender="anna"),
    _forward("capture-cc", "jan", NORDWIND, "FILED_CAPTURE"),
    _forward("capture-bcc", "eva", CASA, "FILED_CAPTURE"),
    Step(
        mail="users-only",
        door="signed-in",
        state="unfiled",
        reason="ONLY_USERS_INVOLVED",
        owner="eva",
        sender="eva",
    ),
    _held("forged-from", "SENDER_NOT_VERIFIED", door="world"),
    _held("sender-display-name-is-an-address", "SENDER_UNKNOWN", door="world"),
    _held("sender-two-from-fields", "SENDER_UNCLEAR", door="world"),
    _client("client-to-info-plain", ROSSI),
    _client("client-to-info-umlauts", NORDWIND, "FILED_DOMAIN"),
    _client("client-to-info-encoded-subject", DUPONT),
    _client("client-by-domain-to-info", NORDWIND, "FILED_DOMAIN", door="lmtp"),
    _client("client-to-info-pdf", NORDWIND, "FILED_DOMAIN", door="lmtp"),
    Step(
        mail="client-ambiguous-to-info",
        door="lmtp",
        state="unfiled",
        reason="CLIENT_AMBIGUOUS",
        owner="lea",
    ),
    Step(
        mail="unknown-to-info",
        door="world",
        state="unfiled",
        reason="CLIENT_NOT_FOUND",
        owner="lea",
    ),
    Step(
        mail="forward-by-stranger-to-info",
        door="world",
        state="unfiled",
        reason="FORWARD_BY_STRANGER",
        owner="lea",
    ),
    _forward("thread-1-user-asks", "eva", ROSSI, "FILED_CAPTURE"),
    _client("thread-2-client-answers", ROSSI, "FILED_THREAD"),
    Step(mail="bounce-dsn-postfix", door="lmtp", state="unfiled", reason="BOUNCE", owner="lea"),
    Step(
        mail="auto-reply-vacation",
        door="world",
        state="filed",
        reason="AUTO_REPLY",
        owner="lea",
        client=NORDWIND,
    ),
    Step(mail="list-mailman", door="world", state="unfiled", reason="LIST_MAIL", owner="lea"),
    Step(
        mail="broken-boundary-missing",
        door="lmtp",
        state="unfiled",
        reason="CLIENT_NOT_FOUND",
        owner="lea",
    ),
)

RETRIED = "client-to-info-plain"
"""Sent a second time by the same door: answered, counted, stored once (D6)."""
TWO_DOORS = "client-to-info-encoded-subject"
"""Sent by LMTP, too: one delivery, two arrivals (D6)."""
HANDED_OVER = "client-to-info-plain"
"""Given by the distributor to a colleague, who sees it unread (M1, M2)."""
