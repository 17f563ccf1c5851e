"""Which repairs a mail offers, to whom, and with which choices (E2).  Only reads."""

from __future__ import annotations

from collections.abc import Mapping

from maild.core import repair_offers_filing, repair_offers_people
from maild.core.look import Look
from maild.core.repair_values import Maker, Repair
from maild.model.reason import Reason
from maild.model.states import State


def offers_of(look: Look) -> tuple[Repair, ...]:
    """Return what this mail offers to this person, the likeliest first."""
    if look.mail.reason is None:
        return ()
    wanted = actions_for(Reason[look.mail.reason]) + tuple(
        action for code, action in _BESIDE.items() if code.code in look.marks
    )
    made = (_MAKERS[action](look) for action in wanted)
    return tuple(one for one in made if one is not None)


_MAKERS: Mapping[str, Maker] = {**repair_offers_people.MAKERS, **repair_offers_filing.MAKERS}

_BY_REASON: Mapping[Reason, tuple[str, ...]] = {
    Reason.SENDER_UNKNOWN: ("add-alias", "add-client", "ignore"),
    Reason.SENDER_UNCLEAR: ("choose-user", "ignore"),
    Reason.AMBIGUOUS_SENDER: ("choose-user", "ignore"),
    Reason.PLUS_BASE_UNRESOLVED: ("accept-sends-as", "choose-user", "ignore"),
    Reason.ALIAS_NOT_VERIFIED: ("confirm", "resend", "ignore"),
    Reason.SENDER_NOT_VERIFIED: ("accept-once", "trust-forwarder", "use-drop-address", "ignore"),
    Reason.DROP_ADDRESS_EXPOSED: ("rotate", "accept-once", "ignore"),
    Reason.NOT_A_MEMBER: ("invite", "retry", "ignore"),
    Reason.USER_INACTIVE: ("substitute", "enable", "ignore"),
    Reason.NO_RECIPIENT_MARKER: (
        "recipient",
        "pick-header",
        "checklist",
        "choose-client",
        "ignore",
    ),
    Reason.CLIENT_NOT_FOUND: ("create-client", "choose-client", "ignore"),
    Reason.CLIENT_AMBIGUOUS: ("choose-client", "ignore"),
    Reason.FORWARD_NOT_FOUND: ("original", "choose-client", "ignore"),
    Reason.FORWARD_UNSURE: ("confirm-original", "original", "choose-client", "ignore"),
    Reason.FORWARD_BY_STRANGER: ("choose-client", "create-client", "ignore"),
    Reason.ONLY_USERS_INVOLVED: ("choose-client", "ignore"),
    Reason.UNFILED_BY_HAND: ("choose-client", "ignore"),
    Reason.AUTO_REPLY: ("release", "unfile", "move"),
    Reason.BOUNCE: ("release", "unfile", "move"),
    Reason.LIST_MAIL: ("release", "unfile", "move"),
    Reason.SPAM: ("release",),
    Reason.DISMISSED: ("release",),
    Reason.LOOP_STOPPED: ("release",),
    Reason.TOO_LARGE: ("fetch", "ignore"),
    Reason.UNPARSEABLE: ("retry", "raw", "ignore"),
    Reason.INTERNAL_ERROR: ("retry", "raw"),
}
"""What can be done about a mail, by its reason; the filed ones come below."""
_FILED = ("unfile", "move")
_BESIDE: Mapping[Reason, str] = {
    Reason.SAME_ID_OTHER_CONTENT: "compare",
    Reason.PARSE_DEGRADED: "raw",
}
"""What can be done about what stands beside its reason."""


def actions_for(reason: Reason) -> tuple[str, ...]:
    """Return every action that mails of this reason offer to somebody."""
    return _BY_REASON.get(reason, _FILED if reason.value.states == (State.FILED,) else ())
