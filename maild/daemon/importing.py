"""The run of an import: batches out of files, progress, and an end in good order at Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sys
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from maild.core.app import App
from maild.core.archives import Fate, Import, OldMail, bring_in, look_over
from maild.core.faults import Fault, FaultError, fault_of
from maild.core.room import Room
from maild.doors.files.trees import Archive, Found, Kind, NoArchiveError, archives_in, mails_in
from maild.faces.cli.context import Context
from maild.faces.cli.output import printable
from maild.model.plain_text import so_many
from maild.model.reason import EX_FAILED, EX_TEMPFAIL
from maild.parse.pool import ReaderPool

BATCH_MAILS = 100
BATCH_OCTETS = 8 * 1024 * 1024
"""Bounds of one commit, in which other writers wait."""
FAILURES_MAX = 100
"""Failures that are named; all are counted."""
TELL_EVERY_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be imported, and how."""

    paths: Sequence[str]
    how: Import
    limit: int | None = None
    is_dry: bool = False
    with_unread: bool = False


@dataclass(slots=True)
class PerFile:
    """What became of the mails of one file, or of one folder of single files."""

    file: str
    new: int = 0
    known: int = 0
    erased: int = 0
    older: int = 0
    broken: int = 0
    """Of the new ones, those that a dry run could not read; they would be stored, and lie as FAILED."""
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """A mail that could not be taken."""

    place: str
    why: str


@dataclass(slots=True)
class Tally:
    """What became of all of them."""

    is_dry: bool
    how_to_go_on: str
    files: list[PerFile] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    is_complete: bool = True
    _by_name: dict[str, PerFile] = field(default_factory=dict)

    def of(self, name: str) -> PerFile:
        """Return the counts that a file's mails belong to."""
        if name not in self._by_name:
            self._by_name[name] = PerFile(name)
            self.files.append(self._by_name[name])
        return self._by_name[name]

    def fail(self, per: PerFile, place: str, why: str) -> None:
        """Count a failure, and name it if not too many are."""
        per.failed += 1
        if len(self.failures) < FAILURES_MAX:
            self.failures.append(Failure(printable(place), why))

    def _sum(self, name: str) -> int:
        return sum(getattr(one, name) for one in self.files)

    new = property(lambda self: self._sum("new"))
    known = property(lambda self: self._sum("known"))
    erased = property(lambda self: self._sum("erased"))
    older = property(lambda self: self._sum("older"))
    broken = property(lambda self: self._sum("broken"))
    failed = property(lambda self: self._sum("failed"))


def run(cli: Context, order: Order) -> Tally:
    """Import, or count, everything.  Raises RefusedError, FaultError, StoreDownError, OSError."""
    total = _total(order.paths)
    with running(cli, order, total) as run_:
        for some in _batches(cli.app, order.paths):
            if not run_.take(some, sum(one.size for _, one in some)):
                break
    return run_.tally


@contextlib.contextmanager
def running(cli: Context, order: Order, total: int) -> Generator[Run]:
    """Yield what takes batches, with its readers, its progress, and its heed of Ctrl-C.

    Raises RefusedError before anything is opened.
    """
    tally = Tally(order.is_dry, _go_on())
    look_over(cli.app, [], order.how, by=cli.by)
    room = Room(cli.app, cli.settings.store.reserve)
    with ReaderPool(_readers(cli)) as reader, _Progress(cli, total) as progress, _Stop() as stop:
        try:
            yield Run(tally, _Importer(cli, order, tally, reader, room), progress, stop)
        except Exception as error:
            _say_where(cli, tally, error)
            raise


@dataclass(frozen=True, slots=True)
class Run:
    """An import while it goes on."""

    tally: Tally
    _importer: _Importer
    _progress: _Progress
    _stop: _Stop

    def take(self, some: Some, amount: int) -> bool:
        """Take a batch, which is so much of the total; False when no more are wanted."""
        self._importer.take(some)
        self._progress.tell(amount, self.tally)
        if self._stop.is_asked or self._importer.is_full:
            self.tally.is_complete = False
            return False
        return True

    def know(self, name: str, count: int, *, older: bool = False) -> None:
        """Count mails that need not be looked at."""
        per = self.tally.of(name)
        if older:
            per.older += count
        else:
            per.known += count


def _readers(cli: Context) -> int:
    return cli.settings.workers.processes or os.cpu_count() or 1


def _go_on() -> str:
    """Return the sentence that tells how the import goes on: by the same command."""
    return f"What was stored stays. To go on: {shlex.join(['maild', *sys.argv[1:]])}"


def _say_where(cli: Context, tally: Tally, error: Exception) -> None:
    if fault_of(error) is not None or isinstance(error, OSError):
        cli.say(f"Stored: {so_many(tally.new)}. {tally.how_to_go_on}")


def _total(paths: Sequence[str]) -> int:
    try:
        return sum(archive.size for path in paths for archive in archives_in(Path(path)))
    except NoArchiveError as error:
        raise FaultError(Fault("NO_ARCHIVE", EX_FAILED, f"{printable(str(error))}.")) from None
    except OSError as error:
        said = printable(f"{error.filename} cannot be read: {error.strerror}.")
        raise FaultError(Fault("NO_ARCHIVE", EX_FAILED, said)) from None


Some = list[tuple[str, Found]]
"""What one commit takes, each with the file or folder that it is counted for."""


def _counted_for(archive: Archive) -> str:
    return str(archive.path if archive.kind is Kind.MBOX else archive.path.parent)


def _batches(app: App, paths: Sequence[str]) -> Iterator[Some]:
    """Yield what one commit takes, never more than its bounds and one mail."""
    batch: Some = []
    octets = 0
    for path in paths:
        for archive in archives_in(Path(path)):
            for found in _mails(archive, app.fetch_max):
                batch.append((_counted_for(archive), found))
                octets += len(found.content)
                if len(batch) >= BATCH_MAILS or octets >= BATCH_OCTETS:
                    yield batch
                    batch, octets = [], 0
    if batch:
        yield batch


def _mails(archive: Archive, max_size: int) -> Iterator[Found]:
    """Yield a file's mails; one that went, or cannot be read, is a failure and stops nobody."""
    try:
        yield from mails_in(archive, max_size=max_size)
    except OSError as error:
        yield Found(str(archive.path), 0, trouble=f"cannot be read: {error.strerror}")


class _Importer:
    """Takes batches, and counts what became of them."""

    def __init__(
        self, cli: Context, order: Order, tally: Tally, reader: ReaderPool, room: Room
    ) -> None:
        self._cli = cli
        self._order = order
        self._tally = tally
        self._reader = reader
        self._room = room

    @property
    def is_full(self) -> bool:
        """Whether as many new mails were taken as were wanted."""
        limit = self._order.limit
        return limit is not None and self._tally.new >= limit

    def take(self, some: Some) -> None:
        """Store one batch, or look it over."""
        good = []
        for name, found in some:
            if found.trouble:
                self._tally.fail(self._tally.of(name), found.place, found.trouble)
            else:
                good.append((name, found))
        mails = [self._old(found) for _, found in good]
        fates = self._fates(mails)
        for (name, found), fate in zip(good, fates, strict=True):
            self._count(name, found, fate)
        if self._order.is_dry:
            self._read(good, fates)

    def _old(self, found: Found) -> OldMail:
        return OldMail(
            content=found.content,
            received_at=found.received_at,
            is_unread=self._order.with_unread and not found.is_read,
        )

    def _fates(self, mails: list[OldMail]) -> list[Fate]:
        app, how, by = self._cli.app, self._order.how, self._cli.by
        if self._order.is_dry:
            return look_over(app, mails, how, by=by)
        refusal = self._room.refusal(sum(len(mail.content) for mail in mails))
        if refusal is not None:
            said = refusal.reason.say(**refusal.facts)
            raise FaultError(Fault(refusal.reason.code, EX_TEMPFAIL, f"{said}."))
        return bring_in(app, self._reader, mails, how, by=by)

    def _count(self, name: str, found: Found, fate: Fate) -> None:
        per = self._tally.of(name)
        if fate is Fate.TOO_LARGE:
            why = f"{len(found.content)} octets are more than {self._order.how.inbox} takes (max_size)"
            self._tally.fail(per, found.place, why)
        else:
            setattr(per, fate.value, getattr(per, fate.value) + 1)

    def _read(self, good: Some, fates: Sequence[Fate]) -> None:
        new = [one for one, fate in zip(good, fates, strict=True) if fate is Fate.NEW]
        outcomes = self._reader.read_many(found.content for _, found in new)
        for (name, _), outcome in zip(new, outcomes, strict=True):
            if isinstance(outcome, Exception):
                self._tally.of(name).broken += 1


class _Stop:
    """Turns the first Ctrl-C into a wish; the second one ends at once, which is safe, too."""

    def __init__(self) -> None:
        self.is_asked = False
        self._before: Any = None

    def __enter__(self) -> Self:
        with contextlib.suppress(ValueError):  # Not on the main thread: then nobody interrupts.
            self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self.is_asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def __exit__(self, *of_what: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)


class _Progress:
    """A bar on a terminal; elsewhere a line every ten seconds."""

    def __init__(self, cli: Context, total: int) -> None:
        self._cli = cli
        self._total = total
        self._done = 0
        self._begun = self._told = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty() and not self._cli.quiet:
            columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=Console(stderr=True))
            self._bar.start()
            self._task = self._bar.add_task("reading", total=self._total)
        return self

    def __exit__(self, *of_what: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def tell(self, octets: int, tally: Tally) -> None:
        """Say how far it is."""
        self._done += octets
        now = time.monotonic()
        if self._bar is not None:
            self._bar.update(
                self._task,
                completed=self._done,
                description=self._words(tally, now, with_rest=False),
            )
        elif now - self._told >= TELL_EVERY_S:
            self._told = now
            self._cli.say(self._words(tally, now, with_rest=True))

    def _words(self, tally: Tally, now: float, *, with_rest: bool) -> str:
        seen = sum(one.new + one.known + one.erased + one.older + one.failed for one in tally.files)
        spent = max(now - self._begun, 0.001)
        words = (
            f"{so_many(seen)}, {tally.new} new, {tally.failed} failed, {seen / spent:.0f} a second"
        )
        if with_rest and 0 < self._done < self._total:
            rest = timedelta(seconds=round(spent / self._done * (self._total - self._done)))
            words += f", {self._done * 100 // self._total} %, {rest} to go"
        return words
