"""The machine's half of a report on delivery (RFC 3464 2): one group of fields for the mail, one for each recipient."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from maild.parse.bounces.words import GIVEN, address_in, code_in, exact, is_vague
from maild.parse.charsets import decode_field
from maild.parse.header_block import fields, message_id_of, unfold
from maild.parse.parts import Part

_STATUS_TYPES = frozenset({"message/delivery-status", "message/global-delivery-status"})
_STATUS = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})(?![\d.])", re.ASCII)
_GAP = re.compile(rb"\r?\n[ \t]*+\r?\n")
_READ_MAX = 64 * 1024
"""Octets of one part that are looked at: some hundred recipients."""
_PARTS_MAX = 10
_ABOUT_RECIPIENT = ("final-recipient", "original-recipient", "x-actual-recipient")


class Fate(StrEnum):
    """What became of the mail for one recipient (RFC 3464 2.3.3)."""

    FAILED = "failed"
    DELAYED = "delayed"
    ARRIVED = "arrived"
    UNSAID = "unsaid"


_FATES = {
    "failed": Fate.FAILED,
    "failure": Fate.FAILED,
    "delayed": Fate.DELAYED,
    "delivered": Fate.ARRIVED,
    "relayed": Fate.ARRIVED,
    "expanded": Fate.ARRIVED,
}
_ARRIVED = tuple(word.encode() for word, fate in _FATES.items() if fate is Fate.ARRIVED)
_WORST_FIRST = (Fate.FAILED, Fate.UNSAID, Fate.DELAYED, Fate.ARRIVED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the groups say together: of several fates only the worst one's recipients count."""

    fate: Fate | None = None
    """None: there is no group about a recipient."""
    status: str = ""
    """Of the first of `recipients`."""
    recipients: tuple[str, ...] = ()
    message_id: str | None = None

    def __bool__(self) -> bool:
        """Whether the report has a group about a recipient."""
        return self.fate is not None

    @property
    def is_delayed(self) -> bool:
        """Whether the server still tries."""
        return self.fate is Fate.DELAYED


def has_report(leaves: Sequence[Part]) -> bool:
    """Whether there is a machine's half at all."""
    return any(part.type in _STATUS_TYPES for part in leaves)


def may_report_success(raw: bytes, leaves: Sequence[Part]) -> bool:
    """Whether a word for it stands in a machine's half: few reports are worth reading for that."""
    parts = [part for part in leaves if part.type in _STATUS_TYPES][:_PARTS_MAX]
    said = b"".join(part.octets(raw)[:_READ_MAX] for part in parts).lower()
    return any(word in said for word in _ARRIVED)


def read_report(raw: bytes, leaves: Sequence[Part]) -> Report:
    """Read all machine's halves of a mail; some servers put the text for people into one of that type, too."""
    parts = [part for part in leaves if part.type in _STATUS_TYPES][:_PARTS_MAX]
    groups = [group for part in parts for group in _groups(part.octets(raw)[:_READ_MAX])]
    about = [
        group for group in groups if any(name in group for name in (*_ABOUT_RECIPIENT, "status"))
    ]
    # Google's name for the id of the mail that failed.
    ids = (group.get("x-original-message-id", "") for group in groups)
    message_id = next((message_id_of(value.encode()) for value in ids if value), None)
    if not about:
        return Report(message_id=message_id)
    fates = [_fate(group) for group in about]
    worst = min(fates, key=_WORST_FIRST.index)
    named = [group for group, fate in zip(about, fates, strict=True) if fate is worst]
    return Report(
        fate=worst,
        status=_status(named[0]),
        recipients=tuple(dict.fromkeys(filter(None, map(_recipient, named))))[:GIVEN],
        message_id=message_id,
    )


def _groups(octets: bytes) -> list[Mapping[str, str]]:
    """Return each group's fields; of two of a name the first."""
    groups: list[Mapping[str, str]] = []
    for block in _GAP.split(octets.strip()):
        group: dict[str, str] = {}
        for field in fields(block.lstrip()):
            value = decode_field(unfold(field.value[:2000]))
            group.setdefault(field.name.decode(), " ".join(value.split()))
        groups.append(group)
    return groups


def _fate(group: Mapping[str, str]) -> Fate:
    action = group.get("action", "").partition("(")[0].strip().lower()
    return _FATES.get(action, Fate.UNSAID)


def _status(group: Mapping[str, str]) -> str:
    """Return the status; where it is one that says nothing (RFC 3463 3.1), what the other server answered may say more."""
    match = _STATUS.match(group.get("status", ""))
    status = match[1] if match else ""
    diagnostic = group.get("diagnostic-code", "")
    if not status:
        return code_in(diagnostic)
    if not is_vague(status):
        return status
    better = code_in(diagnostic)
    if better[:1] == status[0] and not is_vague(better):
        return better
    return exact(status, diagnostic)


def _recipient(group: Mapping[str, str]) -> str:
    """Return the mailbox that the mail was last for, or the one first asked for where only that has a whole domain."""
    values = [group.get(name, "") for name in _ABOUT_RECIPIENT]
    found = [address_in(value.partition(";")[2] or value) for value in values]
    whole = (address for address in found if "." in address.partition("@")[2])
    return next(whole, next(filter(None, found), ""))
