"""A mail as lists and commands show it, as a document of JSON (interface.md)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from maild.core.answering import answering_of
from maild.model.reason import Reason
from maild.model.states import State
from maild.store.mailbox import EntryRow
from maild.store.store import Tx

_UNSAID: dict[str, Any] = {
    "from_shown": "",
    "from_name": "",
    "to": [],
    "cc": [],
    "subject": "",
    "message_id_header": None,
}
"""What is told of an erased mail, whatever another inbox still has of the same."""
_UNSAID_OF_ARRIVAL: dict[str, Any] = {
    "peer": "",
    "mail_from": "",
    "recipients": [],
    "spam_mark": None,
    "spf": None,
}
WRITTEN = "written"
"""In place of a door: the mail came in by none, somebody wrote it here."""


def documents(
    tx: Tx, account_id: int, rows: list[dict[str, Any]], now: datetime
) -> list[dict[str, Any]]:
    """Return rows of the mailbox's lists as `maild mail` shows a mail."""
    first_status = next(iter(tx.mailbox.status_names(account_id)), None)
    answering = tx.answering.of((row["id"] for row in rows), now)
    emails = tx.lists.emails({one.user_id for one in answering.values()})
    answered_by = {
        number: answering_of(one, emails.get(one.user_id)) for number, one in answering.items()
    }
    return [
        _document(row, first_status, now) | {"answering": answered_by.get(row["id"])}
        for row in rows
    ]


def arrivals_of(tx: Tx, row: EntryRow) -> list[dict[str, Any]]:
    """Return how a mail came in; of an erased one no more than when, and by which door."""
    found = tx.lists.arrivals(row.message_id)
    if row.state is not State.ERASED:
        return found
    return [one | _UNSAID_OF_ARRIVAL for one in found]


def _document(row: dict[str, Any], first_status: str | None, now: datetime) -> dict[str, Any]:
    if row["state"] == State.ERASED:
        row |= _UNSAID
    has_entry = row["owner_id"] is not None
    return {
        "id": row["ulid"],
        "account": row["slug"],
        "inbox": row["inbox"],
        "state": str(row["state"]),
        "reason": row["reason"],
        "reason_text": _reason_text(row),
        "received_at": iso(row["received_at"]),
        "door": row["door"] or WRITTEN,
        "from": row["from_shown"],
        "from_name": row["from_name"],
        "to": row["to"],
        "cc": row["cc"],
        "subject": row["subject"],
        "message_id": row["message_id_header"],
        "size": row["size"],
        "digest": f"sha256:{row['digest']}",
        "user": row["user"],
        "owner": row["owner"],
        "unread": bool(row["unread"]) if has_entry else None,
        "unread_because": _unread_because(row, now),
        "status": (row["status"] or first_status) if has_entry else None,
        "clients": row["clients"],
        "direction": row["direction"],
        "version": row["version"],
        "beside": [mark["code"] for mark in row["beside"]],
    }


def _reason_text(row: dict[str, Any]) -> str:
    if row["state"] == State.ERASED:
        return "It was erased"
    if row["reason"] is None:
        return "It is being read"
    return Reason[row["reason"]].say(**row["facts"])


def _unread_because(row: dict[str, Any], now: datetime) -> str | None:
    cause = row["unread_cause"]
    if not row["unread"] or not cause:
        return None
    at = datetime.fromisoformat(cause["at"]).astimezone(UTC)
    when = f"{at:%H:%M}" if at.date() == now.astimezone(UTC).date() else f"{at:%Y-%m-%d %H:%M}"
    return f"{cause['by']} gave it to you, {when}"


def iso(at: datetime) -> str:
    """Return an instant as the interface writes it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
