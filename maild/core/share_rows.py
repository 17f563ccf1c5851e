"""The rows of a batch of accepted mails: bodies, messages, arrivals, recipients, deliveries, events (TX 1 of a mail's life)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from maild.core.app import App
from maild.core.share import Share
from maild.model.address import Address
from maild.model.drop import HIDDEN
from maild.model.plain_text import storable
from maild.model.states import State
from maild.store.intake import IntakeRows


def store(app: App, rows: IntakeRows, shares: list[Share], now: datetime) -> None:
    """Write all rows of a batch, within the caller's transaction; fills each share's message and deliveries in."""
    first: dict[tuple[int, str], Share] = {}
    """The first share in this batch of each mail that is not stored yet: its twins in the batch join it."""
    for share in shares:
        if share.message_id:
            continue
        twin = first.setdefault((share.account_id, share.identity), share)
        share.is_new_message = twin is share
    fresh = [share for share in shares if share.is_new_message]
    rows.add_bodies([_body_row(share) for share in fresh])
    for share, message_id in zip(
        fresh, rows.add_messages([_message_row(share) for share in fresh]), strict=True
    ):
        share.message_id = message_id
    for share in shares:
        if not share.message_id:
            share.message_id = first[share.account_id, share.identity].message_id
    _store_arrivals(rows, shares, now)
    _store_deliveries(app, rows, shares, now)


def _store_arrivals(rows: IntakeRows, shares: list[Share], now: datetime) -> None:
    known = {
        (share.account_id, share.retry_key): share.retry_of.id for share in shares if share.retry_of
    }
    new: dict[tuple[int, str], Share] = {}
    again: list[tuple[int, str]] = []
    for share in shares:
        key = (share.account_id, share.retry_key)
        if key in known or key in new:
            again.append(key)
        else:
            new[key] = share
    ids = rows.add_arrivals([_arrival_row(share, now) for share in new.values()])
    known |= dict(zip(new, ids, strict=True))
    for key in again:
        rows.count_retry(known[key], now)
    rows.look_again((share.message_id for share in new.values() if not share.is_new_message), now)
    rows.add_recipients(
        [
            {"message_id": share.message_id, "kind": "envelope", "norm": norm}
            for share in new.values()
            for norm in sorted({_recorded(text) for text in share.recipients})
        ]
    )


def _recorded(recipient: str) -> str:
    """Return a recipient as lists search for it; a drop address without its secret."""
    address = Address.parse(recipient)
    return address.base.norm if address.tag == HIDDEN else address.norm


def _store_deliveries(app: App, rows: IntakeRows, shares: list[Share], now: datetime) -> None:
    there = rows.deliveries_of(share.message_id for share in shares if not share.is_new_message)
    new: list[dict[str, Any]] = []
    imported: set[str] = set()
    for share in shares:
        for inbox_id in share.inboxes:
            if inbox_id in share.refs:
                continue
            ulid = there.get((share.message_id, inbox_id))
            if ulid is None:
                ulid = there[share.message_id, inbox_id] = app.ids()
                new.append(_delivery_row(share, inbox_id, ulid, now))
                if share.mail.envelope.imported is not None:
                    imported.add(ulid)
            share.refs[inbox_id] = ulid
    ids = rows.add_deliveries(new)
    rows.add_events(
        [
            {
                "at": now,
                "account_id": row["account_id"],
                # Who listens to what comes in hears nothing of the past (D13).
                "kind": "imported" if row["ulid"] in imported else "received",
                "delivery_id": delivery_id,
                "subject": {},
            }
            for row, delivery_id in zip(new, ids, strict=True)
        ]
    )


def _body_row(share: Share) -> dict[str, Any]:
    raw = share.mail.raw
    return {
        "account_id": share.account_id,
        "digest": raw.digest,
        "size": raw.size,
        "bytes": raw.inline,
    }


def _message_row(share: Share) -> dict[str, Any]:
    raw = share.mail.raw
    return {
        "account_id": share.account_id,
        "digest": raw.digest,
        "size": raw.size,
        "message_id_header": share.outline.message_id,
        "content_key": share.outline.content_key,
        "subject": "",
    }


def _arrival_row(share: Share, now: datetime) -> dict[str, Any]:
    envelope = share.mail.envelope
    collected = envelope.collected
    return {
        "source_id": None if collected is None else collected.source_id,
        "origin": None if collected is None else collected.origin,
        "whole_size": None if collected is None else collected.whole_size,
        "drop_user_id": min(share.drop_users) if len(share.drop_users) == 1 else None,
        "account_id": share.account_id,
        "message_id": share.message_id,
        "at": now,
        "door": envelope.door,
        "peer": storable(envelope.peer),
        "helo": storable(envelope.helo),
        "tls": envelope.tls,
        "mail_from": storable(envelope.mail_from),
        "recipients": [storable(text) for text in share.recipients],
        "digest": share.mail.raw.digest,
        "authenticated_for": list(envelope.trust.authenticated_for),
        "trusted_results": share.outline.trusted_results,
        "spam_mark": share.outline.spam_mark,
        "left_unread": None if envelope.imported is None else envelope.imported.is_unread,
        "signed_in_user_id": envelope.signed_in_user_id,
        # Empty: to be asked for, when it is decided.
        "spf": {} if envelope.is_direct else None,
        "retry_key": share.retry_key,
    }


def _delivery_row(share: Share, inbox_id: int, ulid: str, now: datetime) -> dict[str, Any]:
    return {
        "ulid": ulid,
        "account_id": share.account_id,
        "message_id": share.message_id,
        "inbox_id": inbox_id,
        "state": State.RECEIVED,
        "facts": {},
        "beside": [],
        "direction": "in",
        "evidence": {},
        "received_at": share.mail.envelope.received_at,
        "due_at": now,
    }
