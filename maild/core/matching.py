"""Which of a mail's addresses made a search find it: `to:` looks at six places, and says in which it found (M6)."""

from __future__ import annotations

from typing import Any

from maild.model.address import Address, InvalidAddressError, spellings
from maild.model.query import Field, Operator, Query, Term
from maild.store.store import Tx

SHOWN_MAX = 20
"""Addresses of one mail that are named."""
PLACES = {
    "to": "To",
    "cc": "Cc",
    "delivered": "Delivered-To or X-Original-To",
    "envelope": "envelope",
    "source": "source",
}


def add_matched(
    tx: Tx, query: Query, rows: list[dict[str, Any]], mails: list[dict[str, Any]]
) -> None:
    """Say on mails where `to:` and `cc:` of a search found what they look for."""
    terms = [one for one in query.terms if one.field in {Field.TO, Field.CC} and not one.is_not]
    if not terms:
        return
    reached = tx.lists.reached({row["message_id"] for row in rows})
    for row, mail in zip(rows, mails, strict=True):
        mail["matched"] = [
            {"field": term.field.value, "in": PLACES[kind], "address": norm}
            for term in terms
            for kind, norm in reached.get(row["message_id"], ())
            if (term.field is Field.TO or kind == "cc") and _fits(term, norm)
        ][:SHOWN_MAX]


def _fits(term: Term, text: str) -> bool:
    try:
        address = Address.parse(text)
    except InvalidAddressError:
        return False
    match term.operator:
        case Operator.IS:
            return address.norm == term.value
        case Operator.DOMAIN_IS:
            return address.domain == term.value
        case Operator.CONTAINS:
            return any(part in address.norm for part in spellings(term.value))
