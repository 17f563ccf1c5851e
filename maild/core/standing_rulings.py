"""What an account remembers of its people's answers, for its next mail (E2): whom it trusts, and whose an address is.

Three things can be remembered, and nothing else:

* that the DKIM signature of a domain speaks for one address (`signer`): the domain must have signed the mail about which
  it was said, validly and over its From, and must be nobody's who signs for everybody.  The next mail counts as proven
  only if the same domain signed it, validly and over its From, and its From is that address.  Whoever can only type the
  address gains nothing.
* that a forwarder's ARC seals are believed (`sealer`), as if the operator had named it: every sealer of the chain must be
  trusted, the chain whole, and its first forwarder must have seen DMARC pass for the From.
* which of several clients an address or domain means (`client`).

All are of one account, hold until they are revoked, and change no mail that was decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from maild.auth.trusted import Trustable
from maild.core.acts import Act
from maild.core.app import Actor, App
from maild.core.standing import home, note, require_admin, require_member
from maild.model.plain_text import short
from maild.model.reason import Reason, RefusedError
from maild.store.standing_rulings import CLIENT, SEALER, SIGNER, StandingRow
from maild.store.store import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """One standing answer, as the interface shows it."""

    subject: str
    """What `forget_answer` takes."""
    text: str
    by: str
    at: datetime


def remember_trust(tx: Tx, account_id: int, who: Trustable, address: str, act: Act) -> StandingRow:
    """Let a signer speak for one address, or a forwarder's seals be believed, from now on; the account is held."""
    answer: dict[str, object] = {"domain": who.domain, "change": act.change_id}
    question, subject = SEALER, who.domain
    if who.method == "dkim":
        question, subject = SIGNER, f"{who.domain}/{address}"
        answer["address"] = address
    return _added(tx, account_id, question, subject, answer, act)


def remember_client(
    tx: Tx, account_id: int, key: str, client_id: int, client_name: str, act: Act
) -> StandingRow:
    """Let an address or a domain that several clients have mean this one from now on; the account is held."""
    answer: dict[str, object] = {
        "client_id": client_id,
        "client_name": client_name,
        "change": act.change_id,
    }
    return _added(tx, account_id, CLIENT, key, answer, act)


def _added(
    tx: Tx, account_id: int, question: str, subject: str, answer: dict[str, object], act: Act
) -> StandingRow:
    tx.standing.add(account_id, question, subject, answer, by_user_id=act.by.user_id, now=act.at)
    row = tx.standing.one(account_id, question, subject)
    assert row is not None  # noqa: S101 - it was just made
    return row


def forget_of_change(tx: Tx, account_id: int, change_id: str, now: datetime) -> None:
    """End the standing answers of one act, if nothing took their place since; those that it replaced hold again."""
    for row in tx.standing.of(account_id):
        if row.answer.get("change") != change_id or not tx.standing.end(row, now=now):
            continue
        before = tx.standing.replaced_by(row)
        if before is not None:
            tx.standing.put_back(before)


def list_remembered(app: App, *, account: str | None = None, by: Actor) -> list[Remembered]:
    """Return what an account remembers, the oldest first.  Reads only.  Raises RefusedError (account's)."""
    with app.store.read() as tx:
        where = home(tx, account, by)
        require_member(tx, where, by)
        return [shown(row) for row in tx.standing.of(where.id)]


def forget_answer(app: App, subject: str, *, account: str | None = None, by: Actor) -> Remembered:
    """End a standing answer; mails that it decided stay as they are.  For admins.

    Commits one transaction.  Raises RefusedError (NOT_FOUND, NOT_ALLOWED, account's).
    """
    with app.store.write() as tx:
        where = home(tx, account, by, hold=True)
        require_admin(tx, where, by)
        every = tx.standing.of(where.id)
        found = next((row for row in every if shown(row).subject == subject), None)
        if found is None:
            raise RefusedError(
                Reason.NOT_FOUND,
                noun="remembered answer about",
                value=short(subject, 100),
                hint="`maild mail remembered` shows them.",
            )
        tx.standing.end(found, now=app.clock())
        note(tx, app, by, "answer.forgotten", where.id, standing=found.id)
        return shown(found)


def shown(row: StandingRow) -> Remembered:
    """Return a standing answer as a sentence."""
    answer, subject = row.answer, row.subject
    match row.question:
        case "signer":
            text = f"A DKIM signature of {answer['domain']} speaks for {answer['address']}."
        case "sealer":
            text = f"ARC seals of {answer['domain']} are believed."
        case _:
            # Whose a domain is must not be taken for whose seals are believed: `forget_answer` ends one of them.
            subject = subject if "@" in subject else f"@{subject}"
            text = f"{subject} means {answer['client_name']}."
    return Remembered(subject=subject, text=text, by=row.by_name, at=row.at)
