"""A source as an admin sees it: what was set, how it goes, what it waits for (D9)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from maild.core.app import App
from maild.core.remote import Trouble
from maild.core.source_words import sentence
from maild.model.source import Condition, SourceState
from maild.store.sources import SourceRow
from maild.store.store import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceView:
    """A source as the interface shows it.  Nothing in it is secret."""

    name: str
    account: str
    inbox: str
    is_central: bool
    recipient_header: str | None
    kind: str
    host: str
    port: int
    tls: str
    username: str
    sign_in: str
    has_secret: bool
    folder: str
    after: str
    since: str | None
    every_s: int
    state: SourceState
    conditions: tuple[Condition, ...]
    last_ok_at: datetime | None
    last_try_at: datetime | None
    next_try_at: datetime | None
    trouble: str | None
    trouble_text: str | None
    fail_count: int
    lag_s: int | None
    """Seconds since it was last known to hold nothing new; None: that never was."""
    backlog: int
    copies: Mapping[str, int]
    """How many mails of the server the ledger knows, by what became of them."""
    held: Mapping[str, Any] | None
    """Figures of a renumbering that asks a person."""
    round: Mapping[str, Any] | None


def view_of(app: App, tx: Tx, source: SourceRow) -> SourceView:
    """Return a source with how it goes."""
    columns = {
        name: getattr(source, name)
        for name in SourceView.__slots__
        if hasattr(source, name) and name != "folder"
    }
    held = next((one.held for one in tx.ledger.folders(source.id) if one.held is not None), None)
    # What was wrong with what it was before is not wrong with what it is now.
    trouble = None if source.last_try_at is None else source.last_trouble
    lag = (
        None
        if source.last_ok_at is None
        else int((app.clock() - source.last_ok_at).total_seconds())
    )
    return SourceView(
        **columns,
        folder=source.folder or "INBOX",
        has_secret=source.secret is not None,
        state=_state(source),
        conditions=tuple(_conditions(source, is_held=held is not None)),
        trouble=trouble,
        trouble_text=None if trouble is None else sentence(source, trouble, source.last_said),
        lag_s=lag,
        copies=tx.ledger.counts(source.id),
        held=held,
    )


_STATES = {
    Trouble.REFUSED_LOGIN: SourceState.AUTH_FAILED,
    Trouble.NO_SECRET: SourceState.AUTH_FAILED,
    Trouble.SIGN_IN_AGAIN: SourceState.CONSENT_EXPIRED,
    Trouble.TLS_FAILED: SourceState.TLS_FAILED,
    Trouble.NO_SUCH_FOLDER: SourceState.FOLDER_MISSING,
}


def _state(source: SourceRow) -> SourceState:
    if source.is_paused or source.since is None:
        return SourceState.PAUSED
    if source.last_try_at is None:
        return SourceState.CONNECTING
    if source.last_trouble is None:
        return SourceState.OK
    return _STATES.get(Trouble(source.last_trouble), SourceState.BACKOFF)


def _conditions(source: SourceRow, *, is_held: bool) -> Iterator[Condition]:
    figures = source.round or {}
    if source.since is None or is_held:
        yield Condition.WAITING_FOR_APPROVAL
    if is_held or figures.get("renumbered"):
        yield Condition.RENUMBERED
    if figures.get("reused"):
        yield Condition.UIDL_UNRELIABLE
