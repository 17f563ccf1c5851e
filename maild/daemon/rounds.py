"""Rounds over sources, tests of them and proofs, whatever the protocol: what the poller and the commands share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from maild.core import collect, proving
from maild.core.app import App
from maild.core.collect import Claim
from maild.core.polling import Figures, Limits, SourceRow, Tell
from maild.core.proving import Proven
from maild.core.renumbered import Listed
from maild.daemon.lines import Lines, Step
from maild.doors.imap.client import ImapClient
from maild.doors.imap.round import ImapRound
from maild.doors.pop.client import PopClient
from maild.doors.pop.naming import is_renumbered, listed_of, tops_of
from maild.doors.pop.round import PopRound, named
from maild.model.plain_text import so_many
from maild.model.renumber import Marks
from maild.model.source import SourceKind
from maild.threads import do

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Counts:
    """What a test of a source finds; nothing is fetched."""

    listed: int
    known: int
    """Of them, those that the ledger has."""


class Rounds:
    """Goes to servers for one process."""

    def __init__(self, app: App, lines: Lines) -> None:
        """Keep what is needed."""
        self._app = app
        self._lines = lines

    async def poll(
        self, claim: Claim, tell: Tell, *, is_full: bool = True, may_renumber: bool = False
    ) -> Figures:
        """Do a round on a line of its own; where deletions are bound to sessions, as many as it takes.

        Raises RemoteError, LeaseLostError, StoreDownError, OSError.
        """
        if claim.source.kind is SourceKind.POP:
            return await self._poll_pop(claim, tell, may_renumber=may_renumber)
        client = await self._lines.imap(claim.source)
        try:
            figures = await self.poll_on(
                client, claim, tell, is_full=is_full, may_renumber=may_renumber
            )
            await client.logout()
        finally:
            client.close()
        return figures

    async def poll_on(
        self,
        client: ImapClient,
        claim: Claim,
        tell: Tell,
        *,
        is_full: bool,
        may_renumber: bool = False,
    ) -> Figures:
        """Do a round on a line that is open."""
        round_ = ImapRound(self._app, claim, client, limits=self._lines.limits, tell=tell)
        return await round_.run(is_full=is_full, may_renumber=may_renumber)

    async def _poll_pop(self, claim: Claim, tell: Tell, *, may_renumber: bool) -> Figures:
        total = Figures()
        while True:
            client = await self._lines.pop(claim.source)
            round_ = PopRound(self._app, claim, client, limits=self._lines.limits, tell=tell)
            try:
                act = partial(round_.run, may_renumber=may_renumber)
                figures = await self._lines.on_pop_thread(act, client)
            finally:
                client.close()
            total.add(figures)
            # A server that wants a pause between sessions gets it, and the rest comes with the next round.
            if not round_.is_capped or total.rest_s:
                return total

    async def test(self, source: SourceRow, step: Step) -> Counts:
        """Go step by step, and tell of each; nothing is fetched.  Raises RemoteError at the first that fails."""
        if source.kind is SourceKind.POP:
            client = await self._lines.pop(source, step)
            proven, folders = (
                await self._on(
                    client, lambda: _prove_pop(self._app, source, client, self._lines.limits)
                ),
                0,
            )
        else:
            imap = await self._lines.imap(source, step)
            try:
                folders = len(await imap.folders())
                proven = await self._prove_imap(source, imap)
            finally:
                imap.close()
            step("folder", f"{source.folder or 'INBOX'} is there, one of {folders}")
        step("count", f"{so_many(proven.listed)}, of which {proven.known} are known")
        return Counts(proven.listed, proven.known)

    async def prove(self, source: SourceRow) -> Proven:
        """Compare what the server lists with the ledger; nothing is fetched.  Raises RemoteError."""
        if source.kind is SourceKind.POP:
            client = await self._lines.pop(source)
            return await self._on(
                client, lambda: _prove_pop(self._app, source, client, self._lines.limits)
            )
        imap = await self._lines.imap(source)
        try:
            return await self._prove_imap(source, imap)
        finally:
            imap.close()

    async def _on(self, client: PopClient, act: Callable[[], T]) -> T:
        try:
            return await self._lines.on_pop_thread(act, client)
        finally:
            client.close()

    async def _prove_imap(self, source: SourceRow, client: ImapClient) -> Proven:
        selected = await client.select(source.folder or "INBOX")
        uids = await client.uids(0)
        folder = await do(proving.ledger_of, self._app, source, source.folder)
        is_new = folder is not None and folder.uidvalidity != selected.uidvalidity
        unknown = uids if is_new else await do(proving.unlisted, self._app, folder, uids)
        listed = [
            Listed(
                key={"uid": head.uid},
                marks=Marks(collect.header_print(head.header), head.size, head.internal_date),
            )
            async for head in client.heads(unknown)
        ]
        await client.logout()
        return await do(
            proving.prove, self._app, source, folder, len(uids), listed, renumbered=is_new
        )


def _prove_pop(app: App, source: SourceRow, client: PopClient, limits: Limits) -> Proven:
    listing = client.listing()
    here = named(app, source, client, listing, limits)
    folder = proving.ledger_of(app, source, "")
    known = {} if folder is None else collect.known_keys(app, folder)
    is_others = folder is not None and folder.numbers_are_others
    is_new = is_others or is_renumbered(here, known)
    unknown = {key: one for key, one in here.items() if is_new or key not in known}
    listed = listed_of(unknown, tops_of(client, [one.number for one in unknown.values()]))
    client.roll_back()
    return proving.prove(app, source, folder, len(listing), listed, renumbered=is_new)
