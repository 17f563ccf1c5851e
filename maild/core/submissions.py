"""Who signed in when a mail was handed in, and what that proves (I3): that the user sent it, and nothing for anybody else.

Pure: rows are handed in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from maild.model.facts import Binding, Proven, Unproven, Witness
from maild.model.letter import Author, Letter
from maild.model.people import MemberState


def owners_of(
    letter: Letter, bindings: Mapping[str, Binding], tagged: Mapping[str, tuple[Binding, ...]]
) -> set[int]:
    """Return whose address the From is: one user's, or as the base of +tag addresses of all who fit (U6)."""
    if not isinstance(letter.sender, Author):
        return set()
    norm = letter.sender.address
    bound = bindings.get(norm)
    return {bound.today} if bound is not None else {one.today for one in tagged.get(norm, ())}


def signers_of(witnesses: Sequence[Witness], heirs: Mapping[int, int]) -> set[int]:
    """Return the users who signed in and sent it, as they are called today (U13)."""
    return {heirs[one.signed_in_user_id] for one in witnesses if one.signed_in_user_id is not None}


def with_sign_in(
    proof: Proven | Unproven,
    owners: set[int],
    signers: set[int],
    seen: Sequence[Binding],
) -> Proven | Unproven:
    """Return the proof that who signed in is who wrote the mail; where it was somebody else, say who, beside the verdict.

    `owners` are whose address the From is.  `seen` are the signers' bindings
    as the account sees them; people of other accounts are named to nobody.
    """
    if not signers or isinstance(proof, Proven):
        return proof
    names = {one.user_id: one.user_name for one in seen if one.membership is MemberState.ACTIVE}
    if len(owners) == 1 and owners <= signers:
        (owner,) = owners
        return Proven(f"{names.get(owner, 'its user')} signed in to send it")
    others = ", ".join(sorted(names.get(one, "somebody else") for one in signers))
    return Unproven(f"{others} signed in to send it, whose address this is not; {proof.verdict}")
