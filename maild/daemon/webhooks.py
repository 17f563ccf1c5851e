"""Sending events to webhooks: a task for each receiver that has work, so that a slow one keeps nobody else waiting.

It stands in the process of the workers.  Several nodes may each have one: a receiver is leased to one of them at a time.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from maild import failpoint
from maild.core.app import App
from maild.core.webhook_posts import Post, Round
from maild.core.webhook_rounds import (
    REFUSED_IN_A_ROW,
    hooks_with_work,
    note_round,
    release_hooks,
    still_ours,
    take_round,
)
from maild.model.webhook import Down, Gone, PostFate, Refused, Taken
from maild.plugs.receiver import Patience, Receiver, UnreachableError, signed
from maild.store.engine import StoreDownError
from maild.tasks import end
from maild.threads import do

EVERY_S = 1
RECEIVERS = 50
"""Receivers that are sent to at a time."""
LINES = 4
"""Events that go to one receiver at a time, each of another mail."""
ROUND_S = 30.0
"""After which a round begins no further event, and the other receivers have their turn."""
WATCH_S = 1.0
"""How often a round asks whether an admin stopped it."""
GRACE_S = 10.0
"""How long rounds may take at the end."""
NOTING_RESTS_S = (0.5, 2.0, 5.0, 10.0)
"""Between tries to write down what came of a round."""

Send = Callable[[Post], Awaitable[PostFate]]

_log = logging.getLogger("maild.webhooks")


@dataclass(slots=True)
class Sending:
    """One round's chains, worked through on a few lines; a receiver that is down ends it for all of them."""

    send: Send
    chains: deque[list[Post]]
    is_over: Callable[[], bool] = lambda: False
    fates: dict[str, PostFate] = field(default_factory=dict)
    """What came of each event that was tried, by webhook-id."""
    is_down: bool = False
    _refused: int = 0

    async def run(self) -> None:
        """Work until all chains are done, or nothing more would go."""
        lines = min(LINES, len(self.chains))
        async with asyncio.TaskGroup() as group:
            for _ in range(lines):
                group.create_task(self._line())

    async def _line(self) -> None:
        while self.chains:
            for one in self.chains.popleft():
                if self.is_down or self.is_over():
                    return
                fate = self.fates[one.event_id] = await self.send(one)
                self._heed(fate)
                if not isinstance(fate, Taken):
                    break  # What comes after it in its mail waits for it.

    def _heed(self, fate: PostFate) -> None:
        match fate:
            case Taken():
                self._refused = 0
            case Refused() if not fate.is_judged:
                self._refused += 1
            case Refused():
                pass
            case Down() | Gone():
                self.is_down = True
        self.is_down = self.is_down or self._refused >= REFUSED_IN_A_ROW


class Webhooks:
    """Sends until it is stopped."""

    def __init__(
        self, app: App, *, tls: ssl.SSLContext | None = None, patience: Patience | None = None
    ) -> None:
        """Send nothing yet; without `tls` the system's certificates are trusted."""
        self._app = app
        self._tls = tls
        self._patience = patience or Patience()
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._stopping = False

    def start(self) -> None:
        """Take back what a dead predecessor had.  Raises StoreDownError."""
        if self._app.store.database.is_sqlite:
            # We hold the workers' lock: whoever had leases is dead.
            release_hooks(self._app)

    async def tick(self) -> None:
        """Begin a round for each receiver that has work; called every second.  What fails is told, and tried again."""
        room = RECEIVERS - len(self._tasks)
        if self._stopping or room <= 0:
            return
        try:
            for hook_id in await do(hooks_with_work, self._app, limit=RECEIVERS):
                if hook_id not in self._tasks and len(self._tasks) < RECEIVERS:
                    task = asyncio.get_running_loop().create_task(self._work(hook_id))
                    self._tasks[hook_id] = task
        except StoreDownError as error:
            _log.warning("store_down error=%s", error)

    async def stop(self) -> None:
        """Finish what is on its way, and end.  What is not written by then is sent again, with its webhook-id."""
        self._stopping = True
        tasks = list(self._tasks.values())
        if tasks:
            await asyncio.wait(tasks, timeout=GRACE_S)
        for task in tasks:
            await end(task)

    async def _work(self, hook_id: int) -> None:
        try:
            while not self._stopping and await self.work(hook_id):
                if len(self._tasks) >= RECEIVERS:
                    break  # Others may wait for this place: the longest idle is next.
        except StoreDownError as error:
            _log.warning("store_down error=%s", error)
        except Exception:  # noqa: BLE001 - one receiver's fault must not end the others; its lease ends by itself
            _log.exception("webhook_fault hook=%d", hook_id)
        finally:
            del self._tasks[hook_id]

    async def work(self, hook_id: int) -> bool:
        """Do one round; return whether the next may follow at once.  Raises StoreDownError."""
        round_ = await do(take_round, self._app, hook_id)
        if round_ is None:
            return False
        failpoint.reached("webhook.after_claim")
        fates: dict[str, PostFate] = {}
        down: Down | None = None
        try:
            if chains := round_.chains():
                down = await self._send(round_, chains, fates)
        finally:
            is_ours = await self._note(round_, fates, down)
        failpoint.reached("webhook.after_round")
        has_moved = bool(fates) or round_.end > round_.hook.position
        is_well = down is None and all(isinstance(fate, Taken) for fate in fates.values())
        return is_ours and has_moved and is_well

    async def _send(
        self, round_: Round, chains: list[list[Post]], fates: dict[str, PostFate]
    ) -> Down | None:
        clock = asyncio.get_running_loop().time
        ends_at = clock() + ROUND_S
        if self._tls is None:
            # Read once, on a thread: a system has hundreds of certificates.
            self._tls = await do(ssl.create_default_context)
        hook = round_.hook
        line = Receiver(
            hook.url,
            self._tls,
            allowed=self._app.hook_networks,
            patience=self._patience,
            turn=hook.fails,
        )
        try:
            async with line as receiver:

                async def send(one: Post) -> PostFate:
                    now = self._app.clock()
                    body, headers = signed(one.event_id, one.event, round_.secrets, now)
                    fate = await receiver.post(body, headers, now)
                    failpoint.reached("webhook.after_send")
                    return fate

                sending = Sending(
                    send,
                    deque(chains),
                    lambda: self._stopping or clock() >= ends_at or watching.done(),
                    fates,
                )
                watching = asyncio.get_running_loop().create_task(self._watch(round_))
                try:
                    await sending.run()
                finally:
                    await end(watching)
        except UnreachableError as error:
            return Down(str(error))
        return None

    async def _watch(self, round_: Round) -> None:
        """Return when an admin paused, removed or turned the webhook: the rest of the round is not to go."""
        is_ours = True
        while is_ours:
            await asyncio.sleep(WATCH_S)
            try:
                is_ours = await do(still_ours, self._app, round_)
            except StoreDownError as error:
                _log.warning("store_down error=%s", error)

    async def _note(self, round_: Round, fates: dict[str, PostFate], down: Down | None) -> bool:
        """Write what came of it; a database that is away for a moment makes nothing go twice."""
        for rest in NOTING_RESTS_S:
            try:
                return await do(note_round, self._app, round_, fates, down)
            except StoreDownError as error:
                _log.warning("store_down error=%s", error)
                await asyncio.sleep(rest)
        return await do(note_round, self._app, round_, fates, down)
