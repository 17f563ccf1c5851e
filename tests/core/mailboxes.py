"""Full mailboxes in a moment: rows as the store has them, without the way through the doors."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import insert, select, text

from maild.core.app import App
from maild.store import schema
from tests.core.company import INFO

_DIGEST = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""Of no octets at all: one body for all of them."""


def fill(app: App, count: int, owner: int, *, inbox: int = INFO, unread: bool = True) -> list[str]:
    """Put mails of a shared inbox of `a_company` into somebody's mailbox; return their ids, oldest first."""
    now = app.clock()
    ulids = [app.ids() for _ in range(count)]
    with app.store.write() as tx:
        run = tx.connection.execute
        if run(select(schema.bodies)).first() is None:
            run(insert(schema.bodies).values(account_id=1, digest=_DIGEST, size=0, bytes=b""))
        first = 1 + max(run(select(schema.messages.c.id)).scalars(), default=1000)
        numbers = range(first, first + count)
        _add(
            run,
            schema.messages,
            [
                {
                    "id": number,
                    "account_id": 1,
                    "digest": _DIGEST,
                    "size": 0,
                    "content_key": str(number),
                    "subject": f"Mail {number}",
                }
                for number in numbers
            ],
        )
        _add(
            run,
            schema.arrivals,
            [
                {
                    "account_id": 1,
                    "message_id": number,
                    "at": now,
                    "door": "smtp",
                    "peer": "192.0.2.1",
                    "helo": "",
                    "tls": False,
                    "mail_from": "",
                    "recipients": [],
                    "digest": _DIGEST,
                    "authenticated_for": [],
                    "retry_key": str(number),
                }
                for number in numbers
            ],
        )
        _add(
            run,
            schema.deliveries,
            [
                {
                    "id": number,
                    "ulid": ulid,
                    "account_id": 1,
                    "message_id": number,
                    "inbox_id": inbox,
                    "state": "unfiled",
                    "reason": "CLIENT_NOT_FOUND",
                    "facts": {"addresses": "nobody@nowhere.example"},
                    "beside": [],
                    "direction": "in",
                    "evidence": {},
                    "received_at": now + timedelta(seconds=number),
                }
                for number, ulid in zip(numbers, ulids, strict=True)
            ],
        )
        _add(
            run,
            schema.entries,
            [
                {
                    "delivery_id": number,
                    "account_id": 1,
                    "owner_id": owner,
                    "unread": unread,
                    "received_at": now + timedelta(seconds=number),
                }
                for number in numbers
            ],
        )
        if tx.connection.dialect.name == "postgresql":
            for name in ("messages", "deliveries"):
                run(text(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), {numbers[-1]})"))
    return ulids


def _add(run: Any, table: Any, rows: list[dict[str, Any]]) -> None:
    run(insert(table), rows)
