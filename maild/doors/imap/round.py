"""One round over an IMAP folder: list, take, act; every step is in the ledger before the next (D3, D5).

It never decides by \\Seen, EXISTS or what some mailbox of ours shows.  It never fetches before the ledger says that the
mail is not known, and never acts before the ledger says that it is stored.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, TypeVar

from maild.core import collect, renumbered
from maild.core.app import App
from maild.core.collect import Claim, Taken
from maild.core.polling import (
    CopyRow,
    Figures,
    FolderRow,
    Limits,
    Tell,
    is_hollow,
    most_octets,
    spool_for,
)
from maild.core.raw import raw_of
from maild.core.remote import RemoteError, Trouble
from maild.doors.imap.client import Head, ImapClient, Selected
from maild.doors.imap.storing import Storing
from maild.model.renumber import Marks
from maild.model.source import Acted, CopyState
from maild.threads import do

T = TypeVar("T")
HEADS = 500
"""Mails whose heads are entered in one transaction."""
ACTS = 200


class ImapRound:
    """One round; `run` once."""

    def __init__(
        self, app: App, claim: Claim, client: ImapClient, *, limits: Limits, tell: Tell
    ) -> None:
        """The client is signed in; the claim is ours."""
        self._app = app
        self._claim = claim
        self._source = claim.source
        self._client = client
        self._limits = limits
        self._tell = tell
        self.figures = Figures()
        self._name = self._source.folder or "INBOX"
        self._is_opened = False
        """Whether this round opened the mailbox; else it went by what was told when that was opened."""

    async def run(self, *, is_full: bool, may_renumber: bool = False) -> Figures:
        """Bring the ledger and the store up to what the server has.

        `is_full` compares the whole listing with the ledger, instead of what is above the highest known UID.
        `may_renumber`: a person said that it is the same mailbox.

        Raises RemoteError, LeaseLostError, StoreDownError, OSError; what was stored by then is in the ledger.
        """
        self._is_opened = is_full
        open_ = self._client.select if is_full else self._client.look_again
        selected = await open_(self._name)
        folder = await do(
            collect.open_folder,
            self._app,
            self._claim,
            self._source.folder,
            selected.uidvalidity,
            selected.uidnext,
        )
        self.figures.listed = selected.exists
        if folder.uidvalidity != selected.uidvalidity:
            renewed = await self._renumber(folder, selected, may_renumber=may_renumber)
            if renewed is None:
                return self.figures
            folder = renewed
        elif not folder.is_begun:
            folder, is_full = await self._inherit(folder), True
        await self._list(folder, selected, is_full=is_full)
        await self._take(folder)
        await self._act(folder)
        return self.figures

    # -- listing ---------------------------------------------------------------------------------------------------

    async def _list(self, folder: FolderRow, selected: Selected, *, is_full: bool) -> None:
        """Enter what the ledger does not have."""
        uids = await self._client.uids(0 if is_full else folder.uid_high)
        if is_full:
            uids = await do(collect.unknown_uids, self._app, folder, uids)
        self.figures.new += len(uids)
        begin = None
        if not folder.is_begun and self._source.since != "all":
            begin = _Begin(self._source.since, folder.baseline or 0)
        for start in range(0, len(uids), HEADS):
            some = uids[start : start + HEADS]
            # What is left out is known again by its header; what is taken gets its print then.
            heads = self._client.heads(some, with_header=begin is not None)
            rows = [_row(head, begin) async for head in heads]
            there = {row["uid"] for row in rows}
            # A server that does not tell the head of a mail may still give its body.
            rows += [
                _row(Head(uid=uid, size=0, internal_date=None, header=b""), begin)
                for uid in some
                if uid not in there
            ]
            self.figures.skipped += sum(row["state"] is CopyState.SKIPPED for row in rows)
            await self._write_down(folder, rows, some)
        if not folder.is_begun:
            await self._write_down(folder, [], [], is_begun=True)

    async def _write_down(
        self,
        folder: FolderRow,
        rows: Sequence[Mapping[str, Any]],
        uids: Sequence[int],
        **numbers: Any,
    ) -> None:
        if uids:
            self._high = max(folder.uid_high, self._high, *uids)
            numbers["uid_high"] = self._high
        await do(collect.write_down, self._app, self._claim, folder, rows, **numbers)
        self._tell(self.figures)

    _high = 0

    # -- taking ----------------------------------------------------------------------------------------------------

    async def _take(self, folder: FolderRow) -> None:
        """Fetch what is open and store it, batch after batch; one is stored while the next is fetched."""
        tried: set[int] = set()
        while True:
            copies = await do(collect.to_take, self._app, folder, limit=1000)
            copies = [copy for copy in copies if copy.id not in tried]
            if not copies:
                return
            tried.update(copy.id for copy in copies)
            self.figures.to_take = len(copies)
            most = most_octets(self._source, self._limits)
            whole = [copy for copy in copies if copy.size is None or copy.size <= most]
            await self._take_bodies(whole)
            for copy in copies:
                if copy.size is not None and copy.size > most:
                    await self._take_header(copy)

    async def _take_bodies(self, copies: Sequence[CopyRow]) -> None:
        waiting = {copy.uid: copy for copy in copies}
        missing: list[CopyRow] = []
        wanted = [(copy.uid, copy.size or 0) for copy in copies]
        try:
            async with Storing(self._store, self._limits.bounds) as storing:
                async for uid, raw in self._client.bodies(wanted, spool_for(self._app)):
                    of = waiting.pop(uid)
                    if raw is not None and not is_hollow(of, raw):
                        await storing.add(Taken(of, raw))
                    else:
                        missing.append(of)
        except RemoteError as error:
            # Which mail it was about is the first that did not come; it is tried again, behind the others.
            suspects = [copy.id for copy in waiting.values()][:1]
            await do(collect.tried, self._app, self._claim, suspects, error.trouble.value)
            raise
        if missing:
            await self._look_for(missing)

    async def _look_for(self, missing: Sequence[CopyRow]) -> None:
        """Believe that mails are gone only if the server does not list them either."""
        there = set(await self._client.uids(0))
        gone = [copy.id for copy in missing if copy.uid not in there]
        kept = [copy.id for copy in missing if copy.uid in there]
        await do(collect.vanished, self._app, self._claim, gone)
        await do(collect.not_taken, self._app, self._claim, kept, Trouble.BROKEN_PROTOCOL.value)
        self.figures.skipped += len(gone)
        self.figures.failed += len(kept)

    async def _store(self, batch: Sequence[Taken]) -> None:
        await do(collect.take, self._app, self._claim, batch)
        self.figures.stored += len(batch)
        self.figures.to_take -= len(batch)
        self._tell(self.figures)

    async def _take_header(self, copy: CopyRow) -> None:
        head = await self._client.header(copy.uid)
        if head is None:
            await do(collect.vanished, self._app, self._claim, [copy.id])
            return
        raw = await do(raw_of, head, self._app.store.bodies.tmp, self._app.store.inline_max)
        await do(collect.take, self._app, self._claim, [Taken(copy, raw, is_header=True)])
        self.figures.headers += 1
        self.figures.to_take -= 1
        self._tell(self.figures)

    # -- acting ----------------------------------------------------------------------------------------------------

    async def _act(self, folder: FolderRow) -> None:
        """Delete, move or mark what is stored and due, as the source says."""
        after = self._claim.after
        last: CopyRow | None = None
        while after.what != "keep":
            copies = await do(
                collect.to_act, self._app, self._claim, folder, after=last, limit=ACTS
            )
            if not copies or not await self._is_still(folder):
                return
            last = copies[-1]
            ids = [copy.id for copy in copies]
            begun = [copy for copy in copies if copy.acted is Acted.BEGUN]
            await do(collect.begin_acts, self._app, self._claim, ids)
            # That commit may have taken long: a disk hangs, a process is stopped.
            await do(collect.still_ours, self._app, self._claim)
            await self._tell_server(after.what, after.folder, copies, begun)
            await do(collect.end_acts, self._app, self._claim, ids)
            self.figures.acted += len(ids)
            self._tell(self.figures)

    async def _is_still(self, folder: FolderRow) -> bool:
        """Make sure that the numbers are the ledger's before anything is deleted by them; the next round does the rest."""
        if not self._is_opened:
            selected = await self._client.select(self._name)
            self._is_opened = selected.uidvalidity == folder.uidvalidity
        return self._is_opened

    async def _tell_server(
        self, what: str, target: str, copies: Sequence[CopyRow], begun: Sequence[CopyRow]
    ) -> None:
        uids = [copy.uid for copy in copies]
        if what == "seen":
            await self._client.mark_seen(uids)
            return
        if what == "delete":
            await self._client.delete(uids)
            return
        if begun and not self._client.can_move:
            # A copy may have been made before the line broke: then only the deletion is left (window G).
            there = await _about_target(self._already_copied(target, begun))
            await self._client.select(self._name)
            if there:
                await self._client.delete(sorted(there))
                uids = [uid for uid in uids if uid not in there]
        if uids:
            await _about_target(self._client.move(uids, target))

    async def _already_copied(self, target: str, begun: Sequence[CopyRow]) -> set[int]:
        names = await do(collect.message_ids, self._app, [copy.id for copy in begun])
        there = set()
        for copy in begun:
            name = names.get(copy.id)
            # The store keeps it without its brackets; the server compares the field as it is written.
            if name is not None and await self._client.find(target, f"<{name}>"):
                there.add(copy.uid)
        return there

    # -- renumbering -----------------------------------------------------------------------------------------------

    async def _renumber(
        self, folder: FolderRow, selected: Selected, *, may_renumber: bool
    ) -> FolderRow | None:
        """Find known mails again under their new numbers; None: a person must say that it is the same mailbox."""
        listed = await self._listed()
        if not listed:
            return None  # Perhaps it is about to be filled again: what is known stays known until then.
        numbering = await do(renumbered.compare, self._app, folder, listed)
        self.figures.renumbered = numbering.figures
        if numbering.asks and not may_renumber:
            await do(renumbered.hold, self._app, self._claim, numbering, selected.uidvalidity)
            self._tell(self.figures)
            return None
        same = await self._same_by_content(numbering)
        high = max((head.key["uid"] for head in listed), default=0)
        return await do(
            renumbered.adopt,
            self._app,
            self._claim,
            numbering,
            same,
            uidvalidity=selected.uidvalidity,
            uid_high=high,
        )

    async def _listed(self) -> list[renumbered.Listed]:
        """Return all mails of the folder with what tells them apart."""
        uids = await self._client.uids(0)
        return [
            renumbered.Listed(
                key={"uid": head.uid},
                marks=Marks(collect.header_print(head.header), head.size, head.internal_date),
            )
            async for head in self._client.heads(uids)
        ]

    async def _inherit(self, folder: FolderRow) -> FolderRow:
        """Find mails again that came in by the source's former folder: perhaps it has another name now."""
        former = await do(renumbered.former, self._app, self._source.id, folder)
        if former is None:
            return folder
        numbering = await do(renumbered.compare, self._app, former, await self._listed())
        return await do(renumbered.inherit, self._app, self._claim, folder, numbering)

    async def _same_by_content(self, numbering: renumbered.Renumbering) -> dict[int, int]:
        """Let the bodies of unsure mails say which known mail they are."""
        by_uid = {numbering.listed[place].key["uid"]: place for place in numbering.unsure}
        wanted = [(uid, numbering.listed[place].marks.size or 0) for uid, place in by_uid.items()]
        same: dict[int, int] = {}
        async for uid, raw in self._client.bodies(wanted, spool_for(self._app)):
            if raw is None or uid not in by_uid:
                continue
            raw.discard()
            old = numbering.same_as(by_uid[uid], raw.digest, set(same.values()))
            if old is not None:
                same[by_uid[uid]] = old
        return same


async def _about_target(act: Awaitable[T]) -> T:
    """Say of a missing folder that it is the one that mails go to, not the one that they come from."""
    try:
        return await act
    except RemoteError as error:
        if error.trouble is Trouble.NO_SUCH_FOLDER:
            raise RemoteError(Trouble.REFUSED_ACT, error.said) from None
        raise


class _Begin:
    """What the first run leaves out (D3)."""

    def __init__(self, since: str | None, baseline: int) -> None:
        self._baseline = baseline if since == "none" else 0
        self._day: datetime | None = None
        if since not in {None, "all", "none"}:
            day = date.fromisoformat(str(since))
            self._day = datetime(day.year, day.month, day.day, tzinfo=UTC)

    def leaves_out(self, uid: int, internal_date: datetime | None) -> bool:
        """Whether a mail is from before."""
        is_old = self._day is not None and internal_date is not None and internal_date < self._day
        return is_old or uid < self._baseline


def _row(head: Head, begin: _Begin | None) -> dict[str, Any]:
    is_old = begin is not None and begin.leaves_out(head.uid, head.internal_date)
    return {
        "uid": head.uid,
        "size": head.size,
        "internal_date": head.internal_date,
        "header_print": collect.header_print(head.header) or None,
        "state": CopyState.SKIPPED if is_old else CopyState.OPEN,
    }
