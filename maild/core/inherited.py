"""Bindings that outlive a change: of users who turned out to be somebody else, and of mails resolved before (U12, U13).

Only reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from maild.model.address import Address
from maild.model.facts import Binding
from maild.model.letter import Author, Letter
from maild.model.people import MemberState
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


def valid_at(bindings: Seen, at: datetime) -> list[tuple[int | None, Binding]]:
    """Return the one binding of each address that was valid at this moment, else its live one (U12).

    A mail that waited, or is decided again, is whose it was when it came in; an address that was nobody's then, and was
    added since, explains it (I4).
    """
    then: dict[str, int] = {}
    for _, binding in bindings:
        if binding.was_valid(at):
            then[binding.norm] = binding.address_id
    return [
        (of, binding)
        for of, binding in bindings
        if then.get(binding.norm, binding.address_id) == binding.address_id
        and (binding.norm in then or binding.valid_to is None)
    ]


def seen_from(account: int, bindings: Seen) -> dict[str, Binding]:
    """Return each address's binding with the user's standing in this account, not in another one."""
    found: dict[str, Binding] = {}
    for of_account, binding in bindings:
        if of_account == account:
            found[binding.norm] = binding
        else:
            found.setdefault(binding.norm, replace(binding, membership=None))
    return found


def tagged_for(account: int, letter: Letter, tagged: Seen) -> dict[str, tuple[Binding, ...]]:
    """Return the account's active +tag addresses of which the author's address is the base (U6)."""
    if not isinstance(letter.sender, Author):
        return {}
    norm = letter.sender.address
    ours = tuple(
        binding
        for of_account, binding in tagged
        if of_account == account
        and binding.membership is MemberState.ACTIVE
        and Address.parse(binding.norm).base.norm == norm
    )
    return {norm: ours} if ours else {}
