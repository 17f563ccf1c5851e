"""Words about people and where mail comes in: closed lists that the store keeps to."""

from __future__ import annotations

from enum import StrEnum


class NameKind(StrEnum):
    """What a registered name belongs to (U4)."""

    USER = "user"
    INBOX = "inbox"
    DROP = "drop"


class AddressKind(StrEnum):
    """How an address belongs to its user (U5, U6, U11)."""

    PRIMARY = "primary"
    ALIAS = "alias"
    SENDS_AS = "sends_as"
    HISTORIC = "historic"


class Role(StrEnum):
    """What a member may do in an account."""

    MEMBER = "member"
    DISTRIBUTOR = "distributor"
    ADMIN = "admin"


class MemberState(StrEnum):
    """How far a membership has come (U9)."""

    INVITED = "invited"
    REQUESTED = "requested"
    ACTIVE = "active"
    REFUSED = "refused"


class InboxKind(StrEnum):
    """Whether colleagues forward to it, or the world writes to it."""

    FORWARD = "forward"
    SHARED = "shared"
