"""Rules of an account (M11): what a mail must look like, and what is then done with it.  Pure.

`rule_text` writes and reads them as one line.  Every rule that matches is heard, in the account's order; of each act the
first one counts, and `stop` ends the hearing.  Nothing here can do more than compare texts: time is linear in the mail.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from maild.model.address import Address, InvalidAddressError
from maild.model.case import Decision
from maild.model.facts import ClientRef
from maild.model.letter import Letter, Mailbox
from maild.model.match import Hit
from maild.model.people import MemberState
from maild.model.plain_text import few_marks
from maild.model.reason import Reason
from maild.model.states import Move
from maild.model.trace import Trace

SEARCHED_MAX = 65_536
"""Characters of a field that are looked at: two hundred rules over a long text must not delay the next mail."""

_FILEABLE = frozenset(
    {
        Reason.CLIENT_NOT_FOUND,
        Reason.CLIENT_AMBIGUOUS,
        Reason.FORWARD_BY_STRANGER,
        Reason.FORWARD_NOT_FOUND,
        Reason.FORWARD_UNSURE,
        Reason.ONLY_USERS_INVOLVED,
    }
)
"""A rule files what lacks a client; never what somebody or better evidence filed, or what waits for its sender's proof."""
_MACHINES = frozenset({Reason.AUTO_REPLY, Reason.BOUNCE, Reason.LIST_MAIL})
"""They are filed as well, and stay marked as what they are (F7)."""
_HEARD = frozenset({Move.FILE, Move.PLACE, Move.HOLD})


class Field(StrEnum):
    """What a condition looks at."""

    SUBJECT = "subject"
    TEXT = "text"
    FROM = "from"
    TO = "to"
    CC = "cc"
    ORIGINAL = "original"
    """Who wrote the mail that is forwarded."""
    INBOX = "inbox"
    CLIENT = "client"
    """Under whom it is filed without any rule."""
    DIRECTION = "direction"
    KIND = "kind"
    ATTACHMENT = "attachment"
    SIZE = "size"


class Operator(StrEnum):
    """How a condition compares."""

    CONTAINS = "contains"
    IS = "is"
    DOMAIN_IS = "domain is"
    STARTS_WITH = "starts with"
    OVER = "over"
    UNDER = "under"
    THERE = "has"
    """Written before its field: `has attachment`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One question about a mail."""

    field: Field
    operator: Operator
    value: str = ""
    """In NFC; an address or a domain in its canonical form, a size in octets."""
    is_not: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """The questions of a rule; all are to be answered with yes, or any of them."""

    conditions: tuple[Condition, ...]
    is_any: bool = False


@dataclass(frozen=True, slots=True)
class Assignee:
    """To whom a rule gives mail."""

    user_id: int
    name: str
    trouble: str = ""
    """Why mail cannot be theirs today; empty: it can."""
    absence_id: int | None = None
    """The absence because of which they have it in somebody's place."""


@dataclass(frozen=True, slots=True)
class StatusRef:
    """The status that a rule sets."""

    id: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule as it is applied; an act that is None is not asked for."""

    id: int
    name: str
    when: When
    owner: Assignee | None = None
    status: StatusRef | None = None
    client: ClientRef | None = None
    unread: bool | None = None
    stops: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What the rules came to."""

    rules: tuple[Rule, ...] = ()
    """Those that matched, in their order."""
    owner: Assignee | None = None
    status: StatusRef | None = None
    unread: bool | None = None
    client: ClientRef | None = None
    filed_by: str = ""
    """The name of the rule that says the client."""


NOTHING = Heard()


class Seen:
    """A mail as conditions ask about it; each field is made ready for that once."""

    def __init__(
        self, letter: Letter, *, inbox: str, size: int, direction: str, clients: Sequence[str]
    ) -> None:
        """`inbox` is canonical; `clients` are names."""
        self._letter = letter
        self._inbox = inbox
        self._direction = direction
        self._clients = clients
        self.size = size
        self._ready: dict[tuple[Field, Operator | None], tuple[str, ...]] = {}

    @property
    def has_attachment(self) -> bool:
        """Whether something is attached that is not part of the text."""
        return any(not part.inline for part in self._letter.attachments)

    def values(self, field: Field, operator: Operator) -> tuple[str, ...]:
        """Return what an operator compares of a field."""
        # Every operator compares the same of a text; of an address each its own.
        key = field, None if self._boxes(field) is None else operator
        if key not in self._ready:
            self._ready[key] = tuple(self._made(field, operator))
        return self._ready[key]

    def _made(self, field: Field, operator: Operator) -> Iterable[str]:
        boxes = self._boxes(field)
        if boxes is None:
            return (folded(text[:SEARCHED_MAX]) for text in self._texts(field))
        match operator:
            case Operator.CONTAINS:
                return (folded(f"{box.name} <{box.address}>"[:SEARCHED_MAX]) for box in boxes)
            case Operator.STARTS_WITH:
                return (folded(text) for box in boxes for text in (box.name, box.address))
            case Operator.DOMAIN_IS:
                return (address.domain for box in boxes if (address := _address(box)) is not None)
            case _:
                return (address.norm for box in boxes if (address := _address(box)) is not None)

    def _boxes(self, field: Field) -> Sequence[Mailbox] | None:
        letter = self._letter
        match field:
            case Field.FROM:
                return letter.from_
            case Field.TO:
                return letter.to
            case Field.CC:
                return letter.cc
            case Field.ORIGINAL:
                original = letter.forwarded
                return () if original is None or original.from_ is None else (original.from_,)
            case Field.INBOX:
                return (Mailbox(self._inbox),)
            case _:
                return None

    def _texts(self, field: Field) -> Sequence[str]:
        match field:
            case Field.SUBJECT:
                return (self._letter.subject,)
            case Field.TEXT:
                return (self._letter.text,)
            case Field.CLIENT:
                return self._clients
            case Field.KIND:
                return (self._letter.kind.value,)
            case Field.ATTACHMENT:
                return [part.name for part in self._letter.attachments]
            case _:
                return (self._direction,)


def folded(text: str) -> str:
    """Return text for comparing without regard to case."""
    text = few_marks(text)
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def _address(box: Mailbox) -> Address | None:
    try:
        return Address.parse(box.address)
    except InvalidAddressError:
        return None


def is_met(when: When, seen: Seen) -> bool:
    """Whether a mail is one that a rule means."""
    answers = (_answer(condition, seen) for condition in when.conditions)
    return any(answers) if when.is_any else all(answers)


def _answer(condition: Condition, seen: Seen) -> bool:
    return _holds(condition, seen) is not condition.is_not


def _holds(condition: Condition, seen: Seen) -> bool:
    operator = condition.operator
    if operator is Operator.THERE:
        return seen.has_attachment
    if operator is Operator.OVER:
        return seen.size > int(condition.value)
    if operator is Operator.UNDER:
        return seen.size < int(condition.value)
    wanted = folded(condition.value)
    values = seen.values(condition.field, operator)
    if operator is Operator.CONTAINS:
        return any(wanted in value for value in values)
    if operator is Operator.STARTS_WITH:
        return any(value.startswith(wanted) for value in values)
    return wanted in values


def hear(rules: Iterable[Rule], seen: Seen, *, may_file: bool, trace: Trace) -> Heard:
    """Return what these rules, in their order, say about a mail; the trace names each that matched."""
    heard = NOTHING
    for rule in rules:
        if not is_met(rule.when, seen):
            continue
        trace.say(
            "place",
            f"The rule “{rule.name}” matches{_effect(rule, heard, may_file)}.",
            "rule",
            rule=rule.name,
        )
        heard = _added(heard, rule, may_file=may_file)
        if rule.stops:
            break
    return heard


def _added(heard: Heard, rule: Rule, *, may_file: bool) -> Heard:
    files = may_file and heard.client is None and rule.client is not None
    return Heard(
        rules=(*heard.rules, rule),
        owner=heard.owner or rule.owner,
        status=heard.status or rule.status,
        unread=rule.unread if heard.unread is None else heard.unread,
        client=rule.client if files else heard.client,
        filed_by=rule.name if files else heard.filed_by,
    )


def _effect(rule: Rule, heard: Heard, may_file: bool) -> str:
    """Return as a clause what a rule that matched does, and which of its acts come too late."""
    said: list[str] = []
    late: list[str] = []
    if rule.owner is not None:
        text = f"it gives it to {rule.owner.name}"
        if rule.owner.trouble:
            text = f"it would give it to {rule.owner.name}, who {rule.owner.trouble}: the inbox's owners have it"
        (said if heard.owner is None else late).append(text)
    if rule.status is not None:
        text = f"it sets the status to {rule.status.name}"
        (said if heard.status is None else late).append(text)
    if rule.client is not None and not may_file:
        said.append(
            f"it does not file it under {rule.client.name}, which only mail without client is"
        )
    elif rule.client is not None:
        text = f"it files it under {rule.client.name}"
        (said if heard.client is None else late).append(text)
    if rule.unread is not None:
        text = f"it leaves it {'unread' if rule.unread else 'read'}"
        (said if heard.unread is None else late).append(text)
    clauses = said + [f"{text}, but an earlier rule decided that" for text in late]
    if rule.stops:
        clauses.append("no further rule is heard")
    return "".join(f"; {text}" for text in clauses)


def is_heard(decision: Decision) -> bool:
    """Whether rules have a say in what was decided: in what lies in a mailbox and could be read."""
    return decision.move in _HEARD


def may_file(reason: Reason, move: Move) -> bool:
    """Whether a rule may say the client of a mail with this reason."""
    return reason in _FILEABLE or (reason in _MACHINES and move is Move.PLACE)


def filed_by_rule(
    decision: Decision, heard: Heard, trace: Trace, *, is_forward_inbox: bool
) -> Decision:
    """Return the decision with the client that a rule says (FILED_BY_RULE)."""
    if heard.client is None:
        return decision
    hit = Hit(heard.client, Reason.FILED_BY_RULE, f"the rule “{heard.filed_by}” says so")
    facts = {"client": hit.client.name, "fact": hit.fact}
    reason = Reason.FILED_BY_RULE
    if decision.reason in _MACHINES:
        reason, facts = decision.reason, decision.facts
    said = {"client": hit.client.name, "fact": hit.fact}
    trace.say(
        "file", f"{hit.how.code}: {hit.how.say(**said)}.", "decided", reason=hit.how.code, **said
    )
    owner, user = decision.owner, decision.user
    if (
        is_forward_inbox
        and owner is None
        and user is not None
        and user.disabled_at is None
        and user.membership is MemberState.ACTIVE
    ):
        owner = user.user_id  # It was held; a forward that is filed is its forwarder's.
    return replace(decision, move=Move.FILE, reason=reason, facts=facts, hits=(hit,), owner=owner)
