"""What a change of addresses makes ambiguous: mailboxes whose mail comes as another address than before (U6, U11).  Pure."""

from __future__ import annotations

from collections.abc import Iterable
from shlex import quote

from maild.model.address import Address
from maild.model.person import PersonFact


def of_base(person: PersonFact, new: Address) -> Iterable[str]:
    """Say that the mailbox of a tagged NEW writes as its base (U6)."""
    own = {one.norm for one in person.addresses}
    if new.tag is not None and new.base.norm not in own:
        yield (
            f"Mail from {new.norm} will come as {new.base.norm}, which is no address of {person.name}: "
            f"maild address add {quote(new.norm)} {quote(new.base.norm)} --sends-as"
        )


def left_base(person: PersonFact, old: Address) -> Iterable[str]:
    """Say which tagged addresses stay whose base is given up."""
    tagged = [one.norm for one in person.addresses if one.base == old.norm and one.norm != old.norm]
    if tagged:
        yield (
            f"{old.norm} is the base of {', '.join(tagged)}, which stay: mail from {old.norm} itself "
            f"will be nobody's, or {person.name}'s where the account takes a base that is unique."
        )
    if old.tag is not None and any(one.norm == old.base.norm for one in person.addresses):
        yield f"{old.base.norm}, from which the mail of {old.norm} comes, stays an address of {person.name}."


def stays_behind(person: PersonFact, other: PersonFact, gone: frozenset[str]) -> Iterable[str]:
    """Say whose mail will be taken for the other's because an address of the same mailbox stays behind."""
    if person.primary is None:
        return
    for one in person.addresses:
        is_same_box = one.base == person.primary.base and one.norm != person.primary.norm
        if is_same_box and one.norm not in gone:
            yield (
                f"{one.norm} belongs to the mailbox of {person.primary.norm} and stays with {person.name}; its mail is "
                f"{person.name}'s then, and that of {person.primary.norm} is {other.name}'s. "
                f"To let it go along: --alias-travels {quote(one.norm)}"
            )
