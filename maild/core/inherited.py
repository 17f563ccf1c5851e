"""Bindings that outlive a change: of users who turned out to be somebody else, and of mails resolved before (U12, U13).

Only reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from maild.model.address import Address
from maild.model.facts import Binding
from maild.model.letter import Author, Letter
from maild.store.store import Tx

Seen = Sequence[tuple[int | None, Binding]]
"""Bindings, each as one account sees it."""


def with_heirs(tx: Tx, found: Seen) -> Seen:
    """Return the bindings; of a merged user's it is said who that is today, once for each account that this one is in.

    The binding stays the merged user's: a mail that came in before the merge was theirs (U12).
    """
    merged = {binding.address_id: binding for _, binding in found if binding.is_merged}
    if not merged:
        return found
    heirs = tx.people.heirs({binding.user_id for binding in merged.values()})
    standings = tx.facts.primaries(heirs.values())
    return [(account, binding) for account, binding in found if not binding.is_merged] + [
        (
            account,
            replace(
                binding,
                heir_id=today.user_id,
                disabled_at=today.disabled_at,
                membership=today.membership,
            ),
        )
        for binding in merged.values()
        for account, today in standings
        if today.user_id == heirs[binding.user_id]
    ]


def kept_for(account: int, binding_id: int | None, kept: Seen) -> Binding | None:
    """Return the binding by which a mail was resolved before, as an account sees it: deciding it again changes none."""
    seen = [(of, one) for of, one in kept if one.address_id == binding_id]
    return replace(seen_by(account, seen), was_used=True) if seen else None


def seen_by(account: int, seen: Seen) -> Binding:
    """Return the one binding with its user's standing in this account, not in another one."""
    return next((one for of, one in seen if of == account), replace(seen[0][1], membership=None))


def is_authors(binding: Binding, letter: Letter) -> bool:
    """Whether the author's address is that of a binding, or the base of its +tag (U6).

    It is not where a person named the sender, or the mail came to a drop address.
    """
    if not isinstance(letter.sender, Author):
        return False
    return letter.sender.address in {binding.norm, Address.parse(binding.norm).base.norm}
