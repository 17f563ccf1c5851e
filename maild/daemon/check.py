"""`maild check`: configuration, database, disk, TLS and ports, one line each."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

import typer

from maild.config import ConfigError
from maild.core.accounts import list_accounts
from maild.core.app import OPERATOR, App, open_app
from maild.core.clients_following import list_directories
from maild.core.faults import fault_of
from maild.core.indexing import backlog, unindexed
from maild.core.outbox import errand_counts
from maild.core.sources import list_sources
from maild.core.webhooks import list_webhooks
from maild.daemon.listeners import ListenerError, listener_facts
from maild.daemon.locks import RoleLock, RoleTakenError
from maild.daemon.outbox import probe_relay
from maild.doors.smtp.facts import ListenerFacts
from maild.doors.smtp.sockets import ListenError, listening
from maild.faces.cli.context import of
from maild.faces.cli.group import plain
from maild.model.clock import system_clock
from maild.model.errand import ErrandState
from maild.model.plain_text import so_many
from maild.model.reason import RefusedError
from maild.model.written import FdSocket, HostPort, UnixSocket
from maild.oauth.oidc import provider_of
from maild.plugs.relay import RelayError
from maild.settings import Settings
from maild.store.engine import sqlite_file

FAULTS_MAX = 100
WAITING_MAX = 1000
"""Mails that may wait to be indexed before it is said: what comes in within seconds."""

app = plain("Look over configuration, database and ports.")


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at; `verdict` is OK, WARN or FAIL."""

    verdict: str
    what: str
    text: str


@app.command()
def check(ctx: typer.Context) -> None:
    """Look over configuration, database, disk, certificates and ports; exit 1 when something fails."""
    cli = of(ctx)
    lines = list(_lines(cli.settings))
    cli.emit(
        [{"verdict": line.verdict, "what": line.what, "text": line.text} for line in lines],
        "\n".join(f"{line.verdict:4}  {line.what}: {line.text}" for line in lines),
    )
    cli.exit = 1 if any(line.verdict == "FAIL" for line in lines) else 0


def _lines(settings: Settings) -> Iterator[Line]:
    yield Line("OK", "configuration", "read")
    yield from _store_lines(settings)
    yield from _unused_lines(settings)
    yield from _provider_lines(settings)
    is_running = _is_running(settings)
    if is_running:
        yield Line("OK", "daemon", "running")
    try:
        facts = listener_facts(settings)
    except ListenerError as error:
        yield Line("FAIL", "listeners", str(error))
        return
    for listener in facts:
        yield from _listener_lines(listener, is_running=is_running)
    yield from _web_lines(settings, is_running=is_running)


def _web_lines(settings: Settings, *, is_running: bool) -> Iterator[Line]:
    """Say what `web.bind` serves: mail by HTTP, and the API; pages are not in this version."""
    bind = settings.web.bind
    if bind is None:
        return
    what = f"web on {bind}"
    yield _port_line(what, None if isinstance(bind, FdSocket) else bind, is_running=is_running)
    yield Line(
        "OK",
        what,
        "takes mail for the inboxes that have a key (POST /in/ADDRESS), and the API (/api/v1); there are no pages yet",
    )
    if isinstance(bind, HostPort) and not _is_loopback(bind):
        yield Line(
            "WARN",
            what,
            "keys and mail pass in clear, and this address can be reached from outside: bind it to loopback or a "
            "unix socket, behind a server that speaks HTTPS",
        )


def _port_line(
    what: str, bind: HostPort | UnixSocket | socket.socket | None, *, is_running: bool
) -> Line:
    """Say whether a place to listen can be had; None is a socket that the supervisor hands in."""
    if is_running:
        return Line("OK", what, "the running daemon has it")
    if bind is None:
        return Line("OK", what, "is handed in by the supervisor")
    try:
        for opened in listening(bind):
            opened.close()
    except ListenError as error:
        return Line("FAIL", what, str(error))
    return Line("OK", what, "can be opened")


def _unused_lines(settings: Settings) -> Iterator[Line]:
    """Say which settings this version knows and does nothing with yet."""
    if settings.metrics.bind is not None:
        yield Line(
            "WARN",
            "configuration",
            "metrics.bind: metrics are not in this version; the setting has no effect",
        )


def _provider_lines(settings: Settings) -> Iterator[Line]:
    """Say of each provider that people sign in with whether it answers as one; nobody is signed in."""
    for provider in settings.oidc:
        what = f"oidc {provider.name}"
        try:
            provider_of(provider, system_clock, os.environ).begin(settings.web.public_url)
        except (RefusedError, ConfigError) as error:
            yield Line("FAIL", what, str(error))
        else:
            yield Line("OK", what, f"{provider.issuer} answers as a provider does")


def _store_lines(settings: Settings) -> Iterator[Line]:
    try:
        opened = open_app(settings)
    except Exception as error:  # noqa: BLE001 - whatever it is becomes a line; the next things are looked at, too
        fault = fault_of(error)
        yield Line(
            "FAIL", "database", fault.message if fault else f"{type(error).__name__}: {error}"
        )
        return
    yield Line("OK", "database", "answers, and has this version's schema")
    yield _disk_line(opened, settings)
    yield from _source_lines(opened)
    yield from _directory_lines(opened)
    yield from _relay_lines(opened, settings)
    yield _search_line(opened)
    yield from _webhook_lines(opened)
    opened.store.close()


def _source_lines(opened: App) -> Iterator[Line]:
    """One line a source, by how its last round went; nobody is asked."""
    for account in list_accounts(opened, by=OPERATOR):
        for source in list_sources(opened, account=account.slug, by=OPERATOR):
            what = f"source {source.name}"
            if source.trouble_text is not None:
                yield Line("FAIL", what, source.trouble_text)
            elif source.conditions:
                yield Line(
                    "WARN",
                    what,
                    f"{', '.join(source.conditions)}: see `maild source show {source.name}`",
                )
            else:
                yield Line("OK", what, source.state)


def _directory_lines(opened: App) -> Iterator[Line]:
    """One line a directory, by how asking it went last; it is not asked."""
    for found in list_directories(opened, by=OPERATOR):
        what = f"directory {found.plug} of {found.account}"
        if found.trouble is not None:
            yield Line("FAIL", what, f"{found.trouble}; next try {found.next_try_at:%H:%M:%S} UTC")
        elif found.last_refusal is not None:
            text = f"{found.refused} entries were refused, the last one: {found.last_refusal}"
            yield Line("WARN", what, text)
        else:
            yield Line("OK", what, found.state)


def _webhook_lines(opened: App) -> Iterator[Line]:
    """One line a webhook, by how its receiver answered last; it is not asked."""
    for account in list_accounts(opened, by=OPERATOR):
        for hook in list_webhooks(opened, account=account.slug, by=OPERATOR):
            what = f"webhook {hook.id} of {account.slug}"
            if hook.paused_because is not None:
                yield Line("WARN", what, f"{hook.paused_because}; {hook.backlog} events wait")
            elif hook.is_failing:
                text = f"{hook.last_error}; {hook.backlog} events wait"
                if hook.next_try_at is not None:
                    text += f", next try {hook.next_try_at:%H:%M:%S} UTC"
                yield Line("FAIL", what, text)
            elif hook.dead:
                text = f"{hook.dead} events were given up: `maild webhook show {hook.id} --dead`"
                yield Line("WARN", what, text)
            else:
                yield Line("OK", what, f"{hook.waiting} events wait for another try")


def _relay_lines(opened: App, settings: Settings) -> Iterator[Line]:
    """Say whether mail can go out: the relay is asked, and sent nothing."""
    relay, counts = settings.relay, errand_counts(opened)
    waiting, dead = (counts.get(state, 0) for state in (ErrandState.WAITING, ErrandState.DEAD))
    if not relay.host:
        text = f"none is configured: nothing is sent, and {waiting} mails wait; set relay.host"
        yield Line("WARN" if waiting else "OK", "relay", text)
    else:
        what = f"relay {relay.host}:{relay.port}"
        try:
            sender = asyncio.run(probe_relay(settings, opened))
        except RelayError as error:
            yield Line("FAIL", what, str(error))
        else:
            signed = "signed in" if relay.username else "no sign-in"
            yield Line("OK", what, f"answers ({relay.tls}, {signed}); mails are from {sender}")
    if dead:
        yield Line("WARN", "relay", f"{so_many(dead)} did not go: `maild outbox list --state dead`")


def _search_line(opened: App) -> Line:
    """Say how many mails search does not find by their words yet."""
    if faults := unindexed(opened, FAULTS_MAX):
        number = (
            f"{len(faults)} or more mails" if len(faults) == FAULTS_MAX else so_many(len(faults))
        )
        ulid, why = faults[0]
        text = f"{number} could not be indexed, and cannot be found by words; the newest is {ulid}: {why}"
        return Line("WARN", "search", f"{text}. `maild db reindex` tries it again")
    waiting = backlog(opened)
    if waiting > WAITING_MAX:
        text = f"{waiting} mails wait to be indexed; until then they are not found by their words"
        return Line("WARN", "search", f"{text}. A running `maild serve` does it")
    return Line("OK", "search", f"{waiting} mails wait to be indexed")


def _disk_line(opened: App, settings: Settings) -> Line:
    free = opened.store.bodies.free()
    if free < settings.store.reserve:
        return Line(
            "FAIL",
            "disk",
            f"{free >> 20} MiB are free and {settings.store.reserve >> 20} MiB are kept in reserve: "
            "mail is answered 452; make room, or lower store.reserve",
        )
    return Line("OK", "disk", f"{free >> 20} MiB are free")


def _is_running(settings: Settings) -> bool:
    file = sqlite_file(settings.database)
    if file is None:
        return False
    try:
        RoleLock(file.absolute().parent, "doors").release()
    except RoleTakenError:
        return True
    except OSError:
        return False
    return False


def _listener_lines(listener: ListenerFacts, *, is_running: bool) -> Iterator[Line]:
    what = f"listener {listener.name} on {listener.bind}"
    yield _port_line(what, listener.bind, is_running=is_running)
    if listener.trust.authenticated_for and not _is_private(listener):
        yield Line(
            "WARN",
            what,
            "authenticated_for makes every From of those domains count as proven, and this address can be reached "
            "from outside: bind it to loopback or a unix socket, behind the server that signs users in",
        )
    if listener.tls_context is not None:
        yield Line("OK", what, "TLS: certificate and key fit")


def _is_private(listener: ListenerFacts) -> bool:
    bind = listener.bind
    if isinstance(bind, socket.socket):  # From the supervisor; its unit says where.
        name = bind.getsockname()
        return not isinstance(name, tuple) or _is_loopback(HostPort(str(name[0]), 0))
    return not isinstance(bind, HostPort) or _is_loopback(bind)


def _is_loopback(bind: HostPort) -> bool:
    try:
        return ip_address(bind.host).is_loopback
    except ValueError:
        return bind.host == "localhost"
