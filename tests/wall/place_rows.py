"""Use cases about clients, inboxes, statuses and sources."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from maild.core import (
    clients,
    clients_changing,
    clients_following,
    clients_listing,
    clients_sweeping,
    giants,
    inbox_keys,
    inboxes,
    references,
    sources,
    statuses,
)
from maild.core.app import Actor, App
from maild.core.clients import NewClient
from maild.core.clients_changing import ClientChanges, Precondition
from maild.core.inboxes import NewInbox
from maild.core.sources import NewSource
from maild.model.client_card import ClientCard
from maild.model.people import InboxKind
from maild.model.source import SignIn, SourceKind
from tests.core.company import READER
from tests.wall.rows import (
    ADMIN,
    ALL,
    NONE,
    Look,
    Row,
    asked_at,
    the_client,
)


def _source(name: str, of: str) -> NewSource:
    return NewSource(
        name=name,
        kind=SourceKind.IMAP,
        host=f"imap.{of}",
        username=f"box@{of}",
        inbox="info@acme.example",
        sign_in=SignIn.PASSWORD,
    )


def _members_changed(what: str) -> Look:
    def look(app: App, by: Actor, it: str, at: str | None) -> Any:
        named: dict[str, Any] = {what: [it]}
        return inboxes.inbox_members(app, "team@acme.example", account=at, by=by, **named)

    return look


_CLIENTS = [
    Row(
        clients.add_client,
        "contact",
        lambda app, by, it, at: clients.add_client(
            app, NewClient(name="New", contacts=[it]), account=at, by=by
        ),
    ),
    Row(
        clients.add_client,
        "user",
        lambda app, by, it, at: clients.add_client(
            app, NewClient(name="New", contacts=[it]), account=at, by=by
        ),
    ),
    Row(
        clients.add_client,
        "inbox",
        lambda app, by, it, at: clients.add_client(
            app, NewClient(name="New", contacts=[it]), account=at, by=by
        ),
    ),
    *(
        Row(
            clients_changing.change_client,
            kind,
            lambda app, by, it, at: clients_changing.change_client(
                app, the_client(app), ClientChanges(add=[it]), account=at, by=by
            ),
        )
        for kind in ("contact", "user", "inbox")
    ),
    Row(
        clients.list_clients,
        "none",
        lambda app, by, it, at: clients.list_clients(app, account=at, by=by),
    ),
    Row(
        clients.show_client,
        "client",
        lambda app, by, it, at: clients.show_client(app, it, account=at, by=by),
    ),
    Row(
        references.client_reference,
        "client",
        lambda app, by, it, at: references.client_reference(app, it, account=at, by=by),
    ),
    Row(
        clients_changing.change_client,
        "client",
        lambda app, by, it, at: clients_changing.change_client(
            app, it, ClientChanges(add=["new@of-acme.example"]), account=at, by=by
        ),
    ),
    Row(
        clients_changing.change_client,
        "key",
        lambda app, by, it, at: clients_changing.change_client(
            app, the_client(app), ClientChanges(key=it), account=at, by=by
        ),
    ),
    Row(
        clients_changing.show_client_by_key,
        "key",
        lambda app, by, it, at: clients_changing.show_client_by_key(app, it, account=at, by=by),
    ),
    *(
        Row(
            clients_changing.put_client,
            kind,
            lambda app, by, it, at: clients_changing.put_client(
                app, ClientCard(name="New", key="new", contacts=(it,)), account=at, by=by
            ),
        )
        for kind in ("contact", "user", "inbox")
    ),
    Row(
        clients_changing.put_client,
        "key",
        lambda app, by, it, at: clients_changing.put_client(
            app,
            ClientCard(name="New", key=it),
            account=at,
            only_if=Precondition(must_be_new=True),
            by=by,
        ),
    ),
]

_LISTS = [
    *(
        Row(
            clients_listing.import_clients,
            kind,
            lambda app, by, it, at: clients_listing.import_clients(
                app, [(1, ClientCard(name="New", contacts=(it,)))], account=at, by=by
            ),
            note=kind,
        )
        for kind in ("user", "inbox", "contact")
    ),
    Row(
        clients_listing.import_clients,
        "none",
        lambda app, by, it, at: clients_listing.import_clients(
            app, [(1, ClientCard(name="New"))], account=at, dry_run=True, by=by
        ),
    ),
    Row(
        clients_sweeping.matching_clients,
        "none",
        lambda app, by, it, at: clients_sweeping.matching_clients(app, account=at, by=by),
    ),
    Row(
        clients_sweeping.file_matching,
        "none",
        lambda app, by, it, at: clients_sweeping.file_matching(app, READER, account=at, by=by),
    ),
]


def _directory_removed(app: App, by: Actor, it: str, at: str | None) -> None:
    clients_following.remove_directory(app, account=at, by=by)


_DIRECTORIES = [
    Row(
        clients_following.set_directory,
        "none",
        lambda app, by, it, at: clients_following.set_directory(app, "file", {}, account=at, by=by),
        own=NONE,
    ),
    Row(clients_following.remove_directory, "none", _directory_removed, own=NONE),
    Row(
        clients_following.take_directory,
        "none",
        lambda app, by, it, at: clients_following.take_directory(app, account=at, by=by),
        own=NONE,
    ),
    Row(
        clients_following.show_directory,
        "none",
        lambda app, by, it, at: clients_following.show_directory(app, account=at, by=by),
        may_hear="NOT_FOUND",
    ),
    Row(
        clients_following.list_directories,
        "none",
        lambda app, by, it, at: clients_following.list_directories(app, by=by),
    ),
]

_INBOXES = [
    Row(
        inboxes.add_inbox,
        "inbox",
        lambda app, by, it, at: inboxes.add_inbox(
            app,
            NewInbox(address=it, kind=InboxKind.SHARED, owner="jan@acme.example"),
            account=at,
            by=by,
        ),
        own=ADMIN,
        colleagues=ADMIN,
        told="U1",
    ),
    Row(
        inboxes.add_inbox,
        "user",
        lambda app, by, it, at: inboxes.add_inbox(
            app,
            NewInbox(address="new@acme.example", kind=InboxKind.SHARED, owner=it),
            account=at,
            by=by,
        ),
        own=ADMIN,
        colleagues=ADMIN,
    ),
    Row(
        inboxes.add_inbox,
        "user",
        lambda app, by, it, at: inboxes.add_inbox(
            app,
            NewInbox(
                address="new@acme.example",
                kind=InboxKind.SHARED,
                substitutes=[it],
            ),
            account=at,
            by=by,
        ),
        own=ADMIN,
        colleagues=ADMIN,
        note="substitute",
    ),
    Row(
        inboxes.list_inboxes,
        "none",
        lambda app, by, it, at: inboxes.list_inboxes(app, account=at, by=by),
    ),
    Row(
        inboxes.show_inbox,
        "inbox",
        lambda app, by, it, at: inboxes.show_inbox(app, it, account=at, by=by),
    ),
    Row(
        inboxes.set_inbox,
        "inbox",
        lambda app, by, it, at: inboxes.set_inbox(app, it, {"max_size": "1MiB"}, account=at, by=by),
        own=ADMIN,
        colleagues=ADMIN,
    ),
    Row(
        inboxes.set_inbox,
        "user",
        lambda app, by, it, at: inboxes.set_inbox(
            app, "info@acme.example", {"owner": it}, account=at, by=by
        ),
        own=ADMIN,
        colleagues=ADMIN,
    ),
    Row(
        inboxes.inbox_members,
        "team",
        lambda app, by, it, at: inboxes.inbox_members(app, it, account=at, by=by),
    ),
    *(
        Row(
            inboxes.inbox_members,
            "user",
            _members_changed(what),
            own=ADMIN,
            colleagues=ADMIN,
            note=what,
        )
        for what in ("add", "remove")
    ),
    Row(
        inbox_keys.show_inbox_key,
        "inbox",
        lambda app, by, it, at: inbox_keys.show_inbox_key(app, it, account=at, by=by),
    ),
    Row(
        inbox_keys.new_inbox_key,
        "inbox",
        lambda app, by, it, at: inbox_keys.new_inbox_key(app, it, account=at, by=by),
        own=ADMIN,
        colleagues=ADMIN,
    ),
    Row(
        inbox_keys.revoke_inbox_key,
        "inbox",
        lambda app, by, it, at: inbox_keys.revoke_inbox_key(app, it, account=at, by=by),
        own=ADMIN,
        colleagues=ADMIN,
    ),
    Row(
        statuses.list_statuses,
        "none",
        lambda app, by, it, at: statuses.list_statuses(app, account=at, by=by),
    ),
    Row(
        statuses.add_status,
        "none",
        lambda app, by, it, at: statuses.add_status(app, "Later", account=at, by=by),
        own=ADMIN,
    ),
    Row(
        statuses.remove_status,
        "status",
        lambda app, by, it, at: statuses.remove_status(app, it, account=at, by=by),
        own=ADMIN,
        colleagues=ADMIN,
    ),
]

_SOURCES = [
    Row(
        sources.add_source,
        "source",
        lambda app, by, it, at: sources.add_source(
            app, _source(it, "gone.example"), account=at, by=by
        ),
        own=ADMIN,
        colleagues=ADMIN,
    ),
    Row(
        sources.add_source,
        "inbox",
        lambda app, by, it, at: sources.add_source(
            app, replace(_source("new-box", "gone.example"), inbox=it), account=at, by=by
        ),
        own=ADMIN,
        colleagues=ADMIN,
    ),
    Row(
        sources.add_source,
        "domain",
        lambda app, by, it, at: sources.add_source(app, _source("new-box", it), account=at, by=by),
        own=ADMIN,
        colleagues=ADMIN,
        told="D10",
    ),
    Row(
        sources.list_sources,
        "none",
        lambda app, by, it, at: sources.list_sources(app, account=at, by=by),
    ),
    *(
        Row(
            function,
            "source",
            asked_at(function),
            own=may,
            colleagues=may,
        )
        for function, may in (
            (sources.show_source, ALL),
            (sources.source_row, ADMIN),
            (sources.pause_source, ADMIN),
            (sources.resume_source, ADMIN),
            (giants.ask_for_failed, ADMIN),
        )
    ),
    Row(
        sources.set_source,
        "source",
        lambda app, by, it, at: sources.set_source(app, it, {"every": "90s"}, account=at, by=by),
        own=ADMIN,
        colleagues=ADMIN,
    ),
]


ROWS = [*_CLIENTS, *_LISTS, *_DIRECTORIES, *_INBOXES, *_SOURCES]
