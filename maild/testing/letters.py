"""Letters and cases in a few words, for tests: say only what matters."""

from __future__ import annotations

from typing import Any

from maild.model.case import Case
from maild.model.facts import Binding, ClientRef, Directory, InboxFacts, Proven, Unproven
from maild.model.letter import Author, Forwarded, How, Letter, Mailbox
from maild.model.people import AddressKind, InboxKind, MemberState

EVA, JAN = "eva@acme.example", "jan@acme.example"
CRM, INFO = "crm@acme.example", "info@acme.example"
ANNA = "anna@rossi.example"
ROSSI, DUPONT = ClientRef(1, "Rossi Bau"), ClientRef(2, "Dupont SARL")


def a_letter(
    from_: str = EVA,
    *,
    to: tuple[str, ...] = (CRM,),
    forwarded: Forwarded | None = None,
    **more: Any,
) -> Letter:
    """Return a letter from one clear author."""
    more.setdefault("sender", Author(from_))
    return Letter(
        from_=(Mailbox(from_),),
        to=tuple(Mailbox(address) for address in to),
        forwarded=forwarded,
        looks_forwarded=forwarded is not None,
        **more,
    )


def an_original(from_: str | None = ANNA, confidence: float = 0.98, **more: Any) -> Forwarded:
    """Return an original as it is found in a forward."""
    return Forwarded(
        from_=None if from_ is None else Mailbox(from_),
        how=How.INLINE,
        confidence=confidence,
        **more,
    )


def a_binding(norm: str = EVA, user_id: int = 1, name: str = "Eva Moser", **more: Any) -> Binding:
    """Return a live, verified primary address of an active member."""
    fields: dict[str, Any] = {
        "address_id": user_id,
        "user_id": user_id,
        "user_name": name,
        "norm": norm,
        "kind": AddressKind.PRIMARY,
        "is_verified": True,
        "disabled_at": None,
        "membership": MemberState.ACTIVE,
    }
    return Binding(**{**fields, **more})


def a_directory(**more: Any) -> Directory:
    """Return a directory with Eva and Jan, both inboxes, and Anna as a contact of Rossi Bau."""
    fields: dict[str, Any] = {
        "bindings": {EVA: a_binding(), JAN: a_binding(JAN, 2, "Jan Novak")},
        "inboxes": frozenset({CRM, INFO}),
        "contacts": {ANNA: (ROSSI,)},
    }
    return Directory(**{**fields, **more})


def a_case(letter: Letter, *, shared: bool = False, proven: bool = True, **more: Any) -> Case:
    """Return a decision's input: a forward inbox that requires proof, or a shared one that records."""
    settings = more.pop("settings", {})
    inbox = InboxFacts(
        norm=INFO if shared else CRM,
        kind=InboxKind.SHARED if shared else InboxKind.FORWARD,
        **{
            "sender_policy": "record" if shared else "require",
            "unknown_policy": "hold",
            "account_name": "Acme",
            **settings,
        },
    )
    proof = Proven("a signed-in listener") if proven else Unproven("nothing speaks for it")
    return Case(
        letter=letter,
        inbox=inbox,
        directory=more.pop("directory", None) or a_directory(),
        proof=proof,
        **more,
    )
