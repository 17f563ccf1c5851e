"""Sources: mailboxes of other servers that maild collects from, as an admin sets and sees them (D7 to D10)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from maild.core import source_keys
from maild.core.app import OPERATOR, Actor, App
from maild.core.keys import nearest_key, yes_or_no
from maild.core.source_views import SourceView, view_of
from maild.core.standing import (
    home,
    in_sight,
    note,
    parse_address,
    require_admin,
    require_member,
)
from maild.model.plain_text import short
from maild.model.reason import Reason, RefusedError
from maild.model.source import Acted, SignIn, SourceKind, TlsMode, read_after
from maild.store.accounts import AccountRow
from maild.store.sources import SourceRow
from maild.store.store import Tx

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")

Sealed = Callable[[Sequence[str]], str]
"""Returns the secret, sealed for what it is bound to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSource:
    """What is asked for."""

    name: str
    kind: SourceKind
    host: str
    username: str
    inbox: str | None = None
    is_central: bool = False
    recipient_header: str | None = None
    port: int | None = None
    tls: TlsMode = TlsMode.IMPLICIT
    ca_file: str = ""
    sign_in: SignIn
    options: Mapping[str, str] = field(default_factory=dict)
    sealed: Sealed | None = None
    folder: str = ""
    after: str = "keep"
    since: str | None = None
    every: str = "60s"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceChanged:
    """What a change comes to."""

    source: SourceView
    will_go: int = 0
    """Mails that were stored before, and go from the server now."""
    needs_secret: bool = False
    """Whether the secret was void after the change (T16)."""


def binding(account: str, name: str, host: str, port: int, username: str, tls: str) -> list[str]:
    """Return what a secret is bound to: elsewhere it does not open (T16)."""
    return [account, name, host, str(port), username, tls]


def binding_of(source: SourceRow) -> list[str]:
    """Return what the source's secret is bound to."""
    return binding(
        source.account, source.name, source.host, source.port, source.username, source.tls.value
    )


def add_source(app: App, new: NewSource, *, account: str | None = None, by: Actor) -> SourceView:
    """Add a source; without `since` it waits for it.

    Commits one transaction.  Raises RefusedError (INVALID_VALUE, ALREADY_EXISTS, MAILBOX_ALREADY_POLLED, NOT_FOUND,
    NOT_ALLOWED, CONFLICT, account's).
    """
    name = new.name.strip().casefold()
    if not _NAME.fullmatch(name):
        source_keys.invalid(
            "The name", new.name, "it is made of a-z, 0-9, dots and hyphens, 63 at most"
        )
    values: dict[str, Any] = {
        "name": name,
        "kind": new.kind,
        "host": source_keys.host(new.host),
        "port": new.port or source_keys.PORTS[new.kind, new.tls],
        "tls": new.tls,
        "ca_file": new.ca_file,
        "username": source_keys.username(new.username),
        "folder": source_keys.folder(new.kind, new.folder),
        "after": source_keys.after(new.kind, new.after),
        "since": None if new.since is None else source_keys.since(new.since),
        "every_s": source_keys.every(new.every),
        "sign_in": new.sign_in,
        "options": dict(new.options),
        "is_central": new.is_central,
        "recipient_header": new.recipient_header,
        "is_paused": False,
        "created_at": app.clock(),
    }
    values["mailbox"] = _mailbox(values)
    with app.store.write() as tx:
        where = home(tx, account, by, hold=True)
        require_admin(tx, where, by)
        if tx.sources.by_name(where.id, name) is not None:
            raise RefusedError(
                Reason.ALREADY_EXISTS,
                noun="source",
                value=name,
                hint="`maild source list` shows it.",
            )
        _require_no_twin(tx, values["mailbox"], by)
        values |= {"account_id": where.id, "inbox_id": _inbox_id(tx, where, new)}
        if new.sealed is not None:
            values["secret"] = new.sealed(
                binding(
                    where.slug,
                    name,
                    values["host"],
                    values["port"],
                    values["username"],
                    new.tls.value,
                )
            )
        source_id = tx.sources.add(values)
        note(tx, app, by, "source.added", where.id, source=source_id)
        return view_of(app, tx, _source(tx, where, name))


def list_sources(app: App, *, account: str | None = None, by: Actor) -> list[SourceView]:
    """Return the account's sources, by name.  Reads only.  Raises RefusedError."""
    with app.store.read() as tx:
        where = home(tx, account, by)
        require_member(tx, where, by)
        return [view_of(app, tx, source) for source in list(tx.sources.of_account(where.id))]


def show_source(app: App, name: str, *, account: str | None = None, by: Actor) -> SourceView:
    """Return a source.  Reads only.  Raises RefusedError."""
    with app.store.read() as tx:
        where = home(tx, account, by)
        require_member(tx, where, by)
        return view_of(app, tx, _source(tx, where, name))


def source_row(app: App, name: str, *, account: str | None = None, by: Actor) -> SourceRow:
    """Return a source as it is stored, for who polls it.  Reads only.  Raises RefusedError."""
    with app.store.read() as tx:
        where = home(tx, account, by)
        require_admin(tx, where, by)
        return _source(tx, where, name)


def set_source(  # noqa: PLR0913 - a secret comes beside the keys
    app: App,
    name: str,
    changes: Mapping[str, str],
    *,
    sealed: Sealed | None = None,
    is_agreed: bool = True,
    account: str | None = None,
    by: Actor,
) -> SourceChanged:
    """Change a source.  `is_agreed` False: only say what would go from the server, and change nothing.

    A change of host, port, user or TLS voids a stored secret unless a new one comes with it (T16).  Commits one
    transaction.  Raises RefusedError.
    """
    with app.store.write() as tx:
        where = home(tx, account, by, hold=True)
        require_admin(tx, where, by)
        source = _source(tx, where, name)
        values = {
            key: value
            for text, raw in changes.items()
            for key, value in _change(tx, where, source, text, raw)
        }
        merged = {column: values.get(column, getattr(source, column)) for column in _IDENTITY}
        mailbox = _mailbox(merged)
        if mailbox != _mailbox({column: getattr(source, column) for column in _IDENTITY}):
            _require_no_twin(tx, mailbox, by)
            values["mailbox"] = mailbox
        is_void = any(column in values for column in ("host", "port", "username", "tls"))
        if sealed is not None:
            values["secret"] = sealed(
                binding(
                    where.slug,
                    source.name,
                    merged["host"],
                    merged["port"],
                    merged["username"],
                    str(merged["tls"]),
                )
            )
        elif is_void and source.secret is not None:
            values["secret"] = None
        if not values.keys().isdisjoint({*_IDENTITY, "ca_file", "secret"}):
            values["last_try_at"] = None  # How it went says nothing of what it is now.
        will_go = _plan(tx, source, values, is_agreed=is_agreed)
        if is_agreed:
            # Whatever was wrong may be right now: it is tried at once (D9).
            tx.sources.set(source.id, {**values, "next_try_at": None, "fail_count": 0})
            if any(values.get(key, old) != old for key, old in _place(source).items()):
                # Two servers may give equal numbers to different mails.
                tx.ledger.distrust_numbers(source.id)
            note(tx, app, by, "source.changed", where.id, source=source.id)
        return SourceChanged(
            source=view_of(app, tx, _source(tx, where, name)),
            will_go=will_go,
            needs_secret=is_void and sealed is None and source.secret is not None,
        )


_IDENTITY = ("host", "port", "username", "tls", "folder")


def _place(source: SourceRow) -> dict[str, object]:
    """Return what says whose numbers a source's mails have."""
    return {"host": source.host, "port": source.port, "username": source.username}


def pause_source(app: App, name: str, *, account: str | None = None, by: Actor) -> SourceView:
    """Stop polling until it is resumed.  Safe to repeat.  Commits one transaction.  Raises RefusedError."""
    return set_source(app, name, {"paused": "true"}, account=account, by=by).source


def resume_source(app: App, name: str, *, account: str | None = None, by: Actor) -> SourceView:
    """Poll again, at once.  Safe to repeat.  Commits one transaction.  Raises RefusedError."""
    return set_source(app, name, {"paused": "false"}, account=account, by=by).source


def ask_for_round(app: App, source_id: int) -> datetime:
    """Have whoever polls the source do so now; return since when it is asked for.  Commits."""
    now = app.clock()
    with app.store.write() as tx:
        tx.sources.note(source_id, asked_at=now)
    return now


def sources_to_poll(app: App) -> list[SourceRow]:
    """Return every source that is to be polled now.  Reads only.  Raises StoreDownError."""
    with app.store.read() as tx:
        return list(tx.sources.to_be_polled())


def is_polling_asked(app: App) -> bool:
    """Whether any source is to be polled now.  Reads only.  Raises StoreDownError."""
    with app.store.read() as tx:
        return tx.sources.are_to_be_polled()


def note_round(app: App, source: SourceRow, values: Mapping[str, Any]) -> None:
    """Write down how polling a source goes; an event where it begins or ceases to fail.

    Of a source that was changed since, or is gone, nothing is written.  Commits.  Raises StoreDownError.
    """
    with app.store.write() as tx:
        before = tx.sources.by_id(source.id)
        if before is None or before.version != source.version:
            return
        if "last_trouble" in values and before.last_trouble != values["last_trouble"]:
            _note_trouble(tx, app, before, values["last_trouble"])
        tx.sources.note(source.id, **values)


def _note_trouble(tx: Tx, app: App, before: SourceRow, trouble: str | None) -> None:
    kind = "source.recovered" if trouble is None else "source.failed"
    said = {} if trouble is None else {"trouble": str(trouble)}
    note(tx, app, OPERATOR, kind, before.account_id, source=before.id, **said)


def keep_secret(
    app: App, source_id: int, sealed: str, options: Mapping[str, str] | None = None
) -> None:
    """Keep a secret that its issuer has renewed; with `options` the sign-in is a new one, and is tried at once.  Commits."""
    with app.store.write() as tx:
        if options is None:
            tx.sources.note(source_id, secret=sealed)
        else:
            values = {"secret": sealed, "options": dict(options), "fail_count": 0}
            tx.sources.set(source_id, {**values, "next_try_at": None, "last_try_at": None})


def _change(
    tx: Tx, where: AccountRow, source: SourceRow, key: str, text: str
) -> list[tuple[str, Any]]:
    readers: dict[str, Callable[[], tuple[str, Any]]] = {
        "host": lambda: ("host", source_keys.host(text)),
        "port": lambda: ("port", source_keys.port(text)),
        "tls": lambda: ("tls", source_keys.checked("tls", text, TlsMode)),
        "ca_file": lambda: ("ca_file", text),
        "username": lambda: ("username", source_keys.username(text)),
        "folder": lambda: ("folder", source_keys.folder(source.kind, text)),
        "after": lambda: ("after", source_keys.after(source.kind, text)),
        "since": lambda: ("since", source_keys.since(text)),
        "every": lambda: ("every_s", source_keys.every(text)),
        "paused": lambda: ("is_paused", yes_or_no("paused")(text)),
        "inbox": lambda: ("inbox_id", _named_inbox(tx, where, text)),
        "central": lambda: ("is_central", yes_or_no("central")(text)),
        "recipient_header": lambda: ("recipient_header", text.strip() or None),
    }
    reader = readers.get(key)
    if reader is None:
        raise nearest_key(key, readers)
    if key == "since" and source.since is not None and source.since != text:
        source_keys.invalid("since", text, f"the first run began with {source.since}; that is over")
    return [reader()]


def _plan(tx: Tx, source: SourceRow, values: Mapping[str, Any], *, is_agreed: bool) -> int:
    """Let what is to happen on the server hold for mails that were stored before; return how many are deleted."""
    if "after" not in values or values["after"] == source.after:
        return 0
    after = read_after(values["after"])
    will_go = 0
    for folder in tx.ledger.folders(source.id):
        changed = tx.ledger.count_stored(folder)
        will_go += changed if after.deletes else 0
        if is_agreed:
            tx.ledger.plan(folder, Acted.NONE if after.what == "keep" else Acted.DUE)
    return will_go


def _mailbox(values: Mapping[str, Any]) -> str:
    folder = values["folder"] or "INBOX"
    return f"{values['host']} {str(values['username']).casefold()} {folder}"


def _require_no_twin(tx: Tx, mailbox: str, by: Actor) -> None:
    """Refuse a mailbox that is polled already; by which source of another account, nobody of this one hears."""
    twin = tx.sources.twin(mailbox)
    if twin is not None:
        host, username, folder = mailbox.split(" ", 2)
        account = tx.people.account(twin[0])
        is_seen = account is not None and in_sight(tx, account.id, by)
        raise RefusedError(
            Reason.MAILBOX_ALREADY_POLLED,
            username=username,
            host=host,
            folder=folder,
            whom=f"the source {twin[1]} of {twin[0]}" if is_seen else "another account",
        )


def _inbox_id(tx: Tx, where: AccountRow, new: NewSource) -> int:
    if new.inbox is not None:
        return _named_inbox(tx, where, new.inbox)
    if not new.is_central:
        raise RefusedError(
            Reason.CONFLICT,
            why="Say where its mail goes: --inbox ADDR, or --central for a mailbox of many.",
        )
    inboxes = list(tx.people.inboxes_of(where.id))
    if not inboxes:
        raise RefusedError(
            Reason.CONFLICT, why="The account has no inbox yet: run `maild inbox add ADDR` first."
        )
    own = new.username.casefold()
    return next((one.id for one in inboxes if one.norm == own), min(one.id for one in inboxes))


def _named_inbox(tx: Tx, where: AccountRow, text: str) -> int:
    norm = parse_address(text).norm
    found = tx.people.inbox(norm)
    if found is None or found.account_id != where.id:
        raise RefusedError(
            Reason.NOT_FOUND, noun="inbox", value=norm, hint="`maild inbox list` shows them."
        )
    return found.id


def _source(tx: Tx, where: AccountRow, name: str) -> SourceRow:
    found = tx.sources.by_name(where.id, name.strip().casefold())
    if found is None:
        raise RefusedError(
            Reason.NOT_FOUND,
            noun="source",
            value=short(name),
            hint="`maild source list` shows them.",
        )
    return found
