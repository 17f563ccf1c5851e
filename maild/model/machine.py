"""What made a mail that no person wrote, in words that a person understands (F7, E1)."""

from __future__ import annotations

from maild.model.letter import Kind, Letter, Returned

_WHAT = {
    Kind.AUTO_REPLY: "an automatic answer or notice",
    Kind.LIST: "mail of a mailing list or newsletter",
    Kind.CALENDAR: "an invitation of a calendar, or an answer to one",
}
# RFC 3463 3.2 to 3.8: subject and detail, of either class.
_WHY = {
    "1.1": "there is no such mailbox",
    "1.2": "there is no such domain",
    "1.8": "the other server does not take the sender",
    "1.10": "the domain takes no mail",
    "2.1": "the mailbox is not in use",
    "2.2": "the mailbox is full",
    "3.4": "the mail is too large",
    "4.1": "the other server does not answer",
    "4.6": "it went in a circle",
    "4.7": "it was tried for too long",
    "7.1": "the other server does not want it",
}
_ADDRESS_MAX = 100


def told_of(letter: Letter) -> str:
    """Return what the mail is and what shows it, as a clause without a full stop."""
    proof = letter.kind_proof or letter.kind.value
    if letter.kind is Kind.BOUNCE:
        return f"{_told_of_bounce(letter.returned or Returned())} ({proof})"
    what = _WHAT.get(letter.kind)
    return f"{what} ({proof})" if what else proof


def _told_of_bounce(said: Returned) -> str:
    whom = said.recipients[0][:_ADDRESS_MAX] if said.recipients else "its recipient"
    if len(said.recipients) > 1:
        whom += f" and {len(said.recipients) - 1} more"
    fate = "is delayed on its way to" if said.is_delayed else "did not reach"
    why = _WHY.get(said.status.partition(".")[2], "")
    code = f"code {said.status}" if said.status else ""
    because = ", ".join(filter(None, (why, code)))
    return f"a mail server's notice that a mail {fate} {whom}" + (f": {because}" if because else "")
