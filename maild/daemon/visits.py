"""What `maild source test`, `poll`, `prove` and `authorize` do: they go to the server, and tell what they see."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import timedelta
from typing import Self, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from maild.core import collect
from maild.core.faults import Fault, FaultError
from maild.core.giants import ask_for_failed
from maild.core.polling import Figures, SourceRow
from maild.core.remote import RemoteError
from maild.core.seal import seal
from maild.core.source_views import SourceView
from maild.core.source_words import sentence
from maild.core.sources import (
    ask_for_round,
    binding_of,
    keep_secret,
    note_round,
    show_source,
    source_row,
)
from maild.daemon.lines import Lines
from maild.daemon.polled import holder_name
from maild.daemon.rounds import Rounds
from maild.faces.cli.context import Context
from maild.model.plain_text import so_many
from maild.model.reason import EX_FAILED, EX_TEMPFAIL, Reason, RefusedError
from maild.model.source import SignIn
from maild.oauth.choose import authorize
from maild.oauth.microsoft import Prompt
from maild.tasks import end
from maild.threads import do

T = TypeVar("T")
ASKED_S = 3600.0
"""How long to look on while the daemon does a round."""


def _source(cli: Context, name: str) -> SourceRow:
    return source_row(cli.app, name, account=cli.account_slug, by=cli.by)


def go(cli: Context, source: SourceRow, act: Callable[[Rounds, Lines], Awaitable[T]]) -> T:
    """Go to the server; its trouble is a sentence for the admin."""
    try:
        return _gone(cli, act)
    except RemoteError as error:
        raise _fault(source, error) from None


def _gone(cli: Context, act: Callable[[Rounds, Lines], Awaitable[T]]) -> T:
    async def gone() -> T:
        lines = Lines(cli.app, cli.settings)
        try:
            return await act(Rounds(cli.app, lines), lines)
        finally:
            lines.close()

    return asyncio.run(gone())


def _fault(source: SourceRow, error: RemoteError) -> FaultError:
    text = sentence(source, error.trouble, error.said)
    return FaultError(Fault(error.trouble.value.upper(), EX_FAILED, text))


def visit_test(cli: Context, name: str) -> None:
    """Tell of each step as it succeeds."""
    source = _source(cli, name)
    steps: list[dict[str, str]] = []

    def step(what: str, came: str) -> None:
        steps.append({"step": what, "said": came})
        cli.say(f"OK    {what}: {came}")

    counts = go(cli, source, lambda rounds, _: rounds.test(source, step))
    text = (
        f"{so_many(counts.listed)}, of which {counts.known} are in the ledger. Nothing was fetched."
    )
    if source.since is None:
        text += f" Choose: `maild source set {source.name} since=all`, `since=none` or a date."
    cli.emit({"steps": steps, **asdict(counts)}, text)


def visit_prove(cli: Context, name: str) -> None:
    """Say what would come in; a stored mail among it is a failure."""
    source = _source(cli, name)
    proven = go(cli, source, lambda rounds, _: rounds.prove(source))
    text = f"{so_many(proven.listed)} on the server, {proven.known} known, {proven.would_fetch} new; {proven.again} would be fetched again."
    if proven.renumbered:
        text += " The server has numbered everything anew; known mails were found by their headers."
    cli.emit(proven, text)
    if proven.again:
        cli.exit = EX_FAILED


def visit_poll(cli: Context, name: str, *, may_renumber: bool, with_failed: bool = False) -> None:
    """Do a round; while a daemon has the source, let it do the round and look on.

    `with_failed`: try mails again whose fetch failed too often.
    """
    source = _source(cli, name)
    if with_failed:
        count = ask_for_failed(cli.app, source.name, account=cli.account_slug, by=cli.by)
        cli.say(f"Mails that are tried again: {count}.")
    if source.since is None:
        raise RefusedError(
            Reason.CONFLICT,
            why=f"Choose first which mails are to come: `maild source set {source.name} since=all`, `since=none` or a date.",
        )
    length = timedelta(seconds=cli.settings.sources.lease)
    claim = collect.claim(cli.app, source, f"command {holder_name()}", length)
    if claim is None:
        if may_renumber:
            raise FaultError(
                Fault(
                    "BUSY",
                    EX_TEMPFAIL,
                    "A daemon polls the source; pause it first: `maild source pause`.",
                )
            )
        _look_on(cli, source)
        return
    try:
        _report(cli, _poll_here(cli, claim, length, may_renumber=may_renumber))
    finally:
        collect.give_up(cli.app, claim)


def _poll_here(
    cli: Context, claim: collect.Claim, length: timedelta, *, may_renumber: bool
) -> Figures:
    """Do a round in this process, and write down how it went, as the daemon does."""
    source = claim.source

    async def act(rounds: Rounds, _: Lines) -> Figures:
        keeping = asyncio.ensure_future(_keep(cli, claim, length))
        try:
            return await rounds.poll(claim, bar.tell, may_renumber=may_renumber)
        finally:
            await end(keeping)

    began = cli.app.clock()
    values: dict[str, object] = {"last_try_at": began}
    try:
        with _Bar(cli, source.name) as bar:
            figures = _gone(cli, act)
        values |= {"last_ok_at": began, "last_trouble": None, "last_said": None, "fail_count": 0}
    except RemoteError as error:
        values |= {
            "last_trouble": error.trouble.value,
            "last_said": error.said or None,
            "fail_count": source.fail_count + 1,
        }
        raise _fault(source, error) from None
    finally:
        note_round(cli.app, source, values)
    return figures


async def _keep(cli: Context, claim: collect.Claim, length: timedelta) -> None:
    while True:
        await asyncio.sleep(length.total_seconds() / 3)
        await do(collect.renew, cli.app, claim, length)


def _report(cli: Context, figures: Figures) -> None:
    text = (
        f"{so_many(figures.listed)} on the server: {figures.new} new, {figures.stored} stored, {figures.skipped} left out, "
        f"{figures.headers} too large (header stored), {figures.failed} refused by the server, {figures.acted} deleted, moved or marked."
    )
    if figures.renumbered:
        text += " The server had numbered everything anew: {matched} matched, {new} new, {unsure} told by their bytes.".format_map(
            figures.renumbered
        )
    cli.emit(figures.shown(), text)


def _look_on(cli: Context, source: SourceRow) -> None:
    """Ask the daemon that has the source for a round, and show how far it is."""
    asked = ask_for_round(cli.app, source.id)
    cli.say("A daemon polls this source; it is asked for a round.")
    deadline = time.monotonic() + ASKED_S
    with _Bar(cli, source.name) as bar:
        while True:
            view = show_source(cli.app, source.name, account=cli.account_slug, by=cli.by)
            round_ = view.round or {}
            bar.show(round_.get("stored", 0), round_.get("to_take", 0))
            is_over = round_.get("ended_at") is not None
            if view.last_try_at is not None and view.last_try_at >= asked and is_over:
                break
            if time.monotonic() > deadline:
                raise FaultError(
                    Fault("BUSY", EX_TEMPFAIL, "The daemon has not done the round yet.")
                )
            time.sleep(0.2)
    _tell_outcome(cli, view)


def _tell_outcome(cli: Context, view: SourceView) -> None:
    if view.trouble is not None:
        raise FaultError(Fault(view.trouble.upper(), EX_FAILED, view.trouble_text or ""))
    round_ = dict(view.round or {})
    for name in ("began_at", "ended_at"):
        round_.pop(name, None)
    _report(cli, Figures(**round_))


class _Bar:
    """A progress bar on stderr; nothing for machines and with --quiet."""

    def __init__(self, cli: Context, name: str) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=cli.quiet or cli.json,
        )
        self._task = self._progress.add_task(name, total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *of_what: object) -> None:
        self._progress.stop()

    def tell(self, figures: Figures) -> None:
        self.show(figures.stored, figures.to_take)

    def show(self, stored: int, to_take: int) -> None:
        self._progress.update(self._task, completed=stored, total=stored + to_take or None)


def visit_authorize(cli: Context, name: str) -> None:
    """Let a person sign in by device code, and keep what comes of it."""
    source = _source(cli, name)
    if source.sign_in is not SignIn.MICROSOFT:
        raise RefusedError(
            Reason.CONFLICT,
            why="Only Microsoft signs in by device code; of Google and others give the refresh token: "
            f"`maild source set {source.name} --password-file F`.",
        )

    def show(prompt: Prompt) -> None:
        cli.say(f"Open {prompt.url} and enter the code {prompt.code}.")

    async def act(_: Rounds, lines: Lines) -> str:
        secret = await authorize(source.options, show, line=lines.token_line())
        return seal(lines.sealing_key(), secret, binding_of(source))

    sealed = go(cli, source, act)
    # From here on a person's refresh token is its secret, not the app's own.
    keep_secret(cli.app, source.id, sealed, options={**source.options, "flow": "device"})
    cli.emit(
        {"authorized": source.name}, f"Source {source.name} may read {source.username} from now on."
    )
