"""Directories in the daemon: each is asked when it is due, by a process of its own that is killed when its time is over."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from maild.core.app import App
from maild.core.clients_following import (
    DirectoryLostError,
    Following,
    directory_due,
    note_round,
    take_page,
)
from maild.model.client_card import ClientPage
from maild.plugs.loader import PlugError
from maild.plugs.pages import PAGE_OCTETS_MAX, page_of
from maild.store.engine import StoreDownError
from maild.threads import do

EVERY_S = 5
ROUND_PAGES = 2000
"""Pages of one round; the rest comes with the next."""
PAGES_WITHOUT_CLIENTS = 20
"""Pages in a row that say there is more and hold nothing."""

_log = logging.getLogger("maild.directories")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a plug may take, in seconds."""

    begin: float = 30
    page: float = 60
    round: float = 300
    """After which the others have their turn, between two pages."""


class Asked:
    """A plug in its process."""

    def __init__(self, process: Process, following: Following) -> None:
        """Use `asking`."""
        self._process = process
        self._following = following

    async def line(self, value: Any, seconds: float) -> dict[str, Any]:
        """Write a line, and return the one that answers it.  Raises PlugError."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None  # noqa: S101 - asked for below
        assert stdout is not None  # noqa: S101
        try:
            async with asyncio.timeout(seconds):
                stdin.write(json.dumps(value).encode() + b"\n")
                await stdin.drain()
                raw = await stdout.readline()
            answer = json.loads(raw) if raw else {"error": "its process ended"}
        except TimeoutError:
            raise PlugError(f"it did not answer within {seconds:g} seconds") from None
        except (ConnectionError, ValueError, RecursionError):
            raise PlugError(f"its answer is none, or over {PAGE_OCTETS_MAX >> 20} MiB") from None
        if not isinstance(answer, dict) or "error" in answer:
            raise PlugError(str(answer["error"] if isinstance(answer, dict) else "no answer"))
        return answer

    async def page(self, since: str | None, seconds: float) -> ClientPage:
        """Return the page behind a cursor.  Raises PlugError."""
        return page_of(await self.line(since, seconds))


@asynccontextmanager
async def asking(following: Following, patience: Patience) -> AsyncGenerator[Asked]:
    """Start a plug in a process, and kill that at the end.  Raises PlugError."""
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "maild.plugs.asked",
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            limit=PAGE_OCTETS_MAX,
        )
    except OSError as error:
        raise PlugError(f"its process cannot be started: {error.strerror}") from None
    try:
        asked = Asked(process, following)
        begun = {
            "plug": following.plug,
            "options": dict(following.options),
            "account": following.account,
        }
        await asked.line(begun, patience.begin)
        yield asked
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def follow(app: App, following: Following, patience: Patience | None = None) -> Counter[str]:
    """Take what changed in a directory, page by page, and write down how it went; cut off, it goes on when the lease ends.

    A round that takes too long ends where it is, and the next goes on there.  Raises PlugError with what the operator is to
    know, DirectoryLostError, StoreDownError.
    """
    patience, counts = patience or Patience(), Counter[str]()
    try:
        async with asking(following, patience) as asked:
            has_more = await _walk(app, following, asked, patience, counts)
    except (DirectoryLostError, StoreDownError):
        raise
    except PlugError as error:
        await do(note_round, app, following, trouble=str(error))
        raise
    except Exception as error:
        # What one account's page does to us must not stop the others'.
        _log.exception("directory_broke account=%d", following.account_id)
        trouble = f"maild failed at what it says ({type(error).__name__}); the log has more"
        await do(note_round, app, following, trouble=trouble)
        raise PlugError(trouble) from error
    await do(note_round, app, following, trouble=None, has_more=has_more)
    return counts


async def _walk(
    app: App, following: Following, asked: Asked, patience: Patience, counts: Counter[str]
) -> bool:
    """Take page after page; return whether the round's time was over before the pages were."""
    clock = asyncio.get_running_loop().time
    ends_at = clock() + patience.round
    cursor, seen, empty = following.cursor, {following.cursor}, 0
    for _ in range(ROUND_PAGES):
        page = await asked.page(cursor, patience.page)
        counts += await do(take_page, app, following, page)
        if not page.more:
            return False
        if page.cursor in seen:
            raise PlugError("it says that there is more, and its cursor comes back to where it was")
        empty = 0 if page.clients or page.gone else empty + 1
        if empty == PAGES_WITHOUT_CLIENTS:
            raise PlugError(f"{empty} pages in a row say that there is more, and hold nothing")
        seen.add(page.cursor)
        cursor = page.cursor
        if clock() >= ends_at:
            return True
    return False


class Directories:
    """Asks each directory when it is due."""

    def __init__(self, app: App) -> None:
        """Ask nobody yet."""
        self._app = app

    async def tick(self) -> None:
        """Ask those that are due, one after the other.  What fails is told, and tried again when it is due."""
        try:
            while (following := await do(directory_due, self._app)) is not None:
                await self._follow(following)
        except StoreDownError as error:
            _log.warning("store_down error=%s", error)

    async def _follow(self, following: Following) -> None:
        try:
            counts = await follow(self._app, following)
        except PlugError as error:
            _log.warning("directory_trouble account=%d error=%s", following.account_id, error)
        except DirectoryLostError:
            _log.info("directory_lost account=%d", following.account_id)
        else:
            said = " ".join(f"{word}={count}" for word, count in sorted(counts.items()) if count)
            _log.info("directory_followed account=%d %s", following.account_id, said)
