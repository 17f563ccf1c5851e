"""One round over a POP box: list, take, delete; every step is in the ledger before the next (D4, D5).  Synchronous.

Message numbers are valid in one session and never stored.  A mail is deleted only when the ledger says that it is stored,
and counts as deleted only when the server has answered QUIT.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime

from maild.core import collect, renumbered
from maild.core.app import App
from maild.core.collect import Claim, LeaseLostError, Taken
from maild.core.polling import (
    CopyRow,
    Figures,
    FolderRow,
    Limits,
    SourceRow,
    Tell,
    is_hollow,
    most_octets,
    spool_for,
)
from maild.core.raw import Raw, raw_of
from maild.core.remote import RemoteError, Trouble
from maild.doors.pop.answers import Listed
from maild.doors.pop.client import PopClient
from maild.doors.pop.naming import (
    Key,
    is_by_bytes,
    is_renumbered,
    keyed,
    keyed_by_bytes,
    listed_of,
    tops_of,
)
from maild.model.source import CopyState, read_after
from maild.parse import header_block

SESSION_MAILS = 200
SESSION_OCTETS = 64 * 1024 * 1024
"""What one session takes where mails are deleted: the deletions hold only when it has ended in good order."""
ACTS = 500


class PopRound:
    """One round; `run` once, on a thread."""

    def __init__(
        self, app: App, claim: Claim, client: PopClient, *, limits: Limits, tell: Tell
    ) -> None:
        """The client is signed in; the claim is ours."""
        self._app = app
        self._claim = claim
        self._source = claim.source
        self._client = client
        self._limits = limits
        self._tell = tell
        self.figures = Figures()
        self.is_capped = False
        """Whether there is more for another session."""

    def run(self, *, may_renumber: bool = False) -> Figures:
        """Bring the ledger and the store up to what the server has, then end the session.

        Raises RemoteError, LeaseLostError, StoreDownError, OSError; what was stored by then is in the ledger.
        """
        self.figures.rest_s = self._client.login_delay or 0
        listing = self._client.listing()
        self.figures.listed = len(listing)
        folder = collect.open_folder(self._app, self._claim, "", None)
        here = named(self._app, self._source, self._client, listing, self._limits)
        if is_by_bytes(here):
            collect.free_deleted(self._app, self._claim, folder, here)
        known = collect.known_keys(self._app, folder)
        if here and (folder.numbers_are_others or is_renumbered(here, known)):
            renewed = self._renumber(folder, here, may_renumber=may_renumber)
            if renewed is None:
                self._client.commit()
                return self.figures
            folder = renewed
            known = collect.known_keys(self._app, folder)
        collect.listed_again(self._app, self._claim, folder, here)
        reused = self._free_reused(folder, here, known)
        self.figures.reused = len(reused)
        self._list(folder, here, [key for key in here if key not in known or key in reused])
        self._take(folder, here)
        if reused:
            self._client.commit()  # Its numbers are not to be trusted: nothing is deleted in this session.
        else:
            self._act(folder, here)
        # There is more behind what was named; but what does not go is not to be asked for for ever.
        self.is_capped |= len(here) < len(listing) and self.figures.acted > 0
        return self.figures

    # -- listing ---------------------------------------------------------------------------------------------------

    def _list(self, folder: FolderRow, here: Mapping[Key, Listed], new: Sequence[Key]) -> None:
        """Enter what the ledger does not have."""
        old: set[Key] = set()
        tops: dict[int, bytes] = {}
        if not folder.is_begun and self._source.since != "all":
            # Also to know them again should the server number them anew.
            tops = tops_of(self._client, [here[key].number for key in new])
            old = self._before(here, new, tops)
        rows = [
            {
                "uidl": key[0],
                "ordinal": key[1],
                "size": here[key].size,
                "header_print": collect.header_print(tops.get(here[key].number, b"")) or None,
                "state": CopyState.SKIPPED if key in old else CopyState.OPEN,
            }
            for key in new
        ]
        self.figures.skipped += len(old)
        self.figures.new += len(new) - len(old)
        if rows or not folder.is_begun:
            collect.write_down(self._app, self._claim, folder, rows, is_begun=True)
        self._tell(self.figures)

    def _before(
        self, here: Mapping[Key, Listed], new: Sequence[Key], tops: Mapping[int, bytes]
    ) -> set[Key]:
        """Return the mails from before the date that the first run begins with."""
        since = self._source.since
        if since == "none":
            return set(new)
        day = date.fromisoformat(str(since))
        begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
        if not self._client.can_top:
            raise RemoteError(Trouble.NO_DATES)
        return {key for key in new if _is_before(tops.get(here[key].number, b""), begin)}

    # -- numbers that are used again -------------------------------------------------------------------------------

    def _free_reused(
        self,
        folder: FolderRow,
        here: Mapping[Key, Listed],
        known: Mapping[Key, tuple[int, int | None, str]],
    ) -> set[Key]:
        """Find UIDLs that name another mail than before; the old mail's row gives its key up.

        Only a size that differs says so, and only the bytes prove it: then the mail is new.
        """
        doubtful = {
            key: copy
            for key, one in here.items()
            if (copy := known.get(key)) is not None
            and copy[1] != one.size
            and copy[1] is not None
            and copy[2] == CopyState.STORED
        }
        reused: set[Key] = set()
        for number, raw in self._fetch([here[key].number for key in doubtful]):
            key = next(key for key in doubtful if here[key].number == number)
            if raw is None:
                continue
            raw.discard()
            copy_id = doubtful[key][0]
            if collect.has_digest(self._app, copy_id, raw.digest):
                collect.has_size(self._app, self._claim, copy_id, here[key].size)
            else:
                collect.free_key(self._app, self._claim, copy_id)
                reused.add(key)
        return reused

    def _renumber(
        self, folder: FolderRow, here: Mapping[Key, Listed], *, may_renumber: bool
    ) -> FolderRow | None:
        """Find known mails again under their new names; None: a person must say that it is the same box."""
        keys = list(here)
        tops = tops_of(self._client, [one.number for one in here.values()])
        listed = listed_of(here, tops)
        numbering = renumbered.compare(self._app, folder, listed)
        self.figures.renumbered = numbering.figures
        if numbering.asks and not may_renumber:
            renumbered.hold(self._app, self._claim, numbering, None)
            self._tell(self.figures)
            return None
        numbers = {here[keys[place]].number: place for place in numbering.unsure}
        same: dict[int, int] = {}
        for number, raw in self._fetch(list(numbers)):
            if raw is None:
                continue
            raw.discard()
            old = numbering.same_as(numbers[number], raw.digest, set(same.values()))
            if old is not None:
                same[numbers[number]] = old
        return renumbered.adopt(self._app, self._claim, numbering, same, uidvalidity=None)

    # -- taking ----------------------------------------------------------------------------------------------------

    def _fetch(self, numbers: Sequence[int]) -> Iterable[tuple[int, Raw | None]]:
        return fetched(self._app, self._source, self._client, numbers, self._limits)

    def _take(self, folder: FolderRow, here: Mapping[Key, Listed]) -> None:
        """Fetch what is open and store it, batch after batch."""
        tried: set[int] = set()
        taken = octets = 0
        while not self.is_capped:
            copies = [
                copy
                for copy in collect.to_take(self._app, folder, limit=SESSION_MAILS)
                if copy.id not in tried
            ]
            if not copies:
                return
            tried.update(copy.id for copy in copies)
            there = {here[key].number: copy for copy in copies if (key := _key(copy)) in here}
            self._gone([copy for copy in copies if _key(copy) not in here])
            self._take_some(there)
            taken += len(there)
            octets += sum(copy.size or 0 for copy in there.values())
            self.is_capped = self._claim.after.deletes and (
                taken >= SESSION_MAILS or octets >= SESSION_OCTETS
            )

    def _gone(self, copies: Sequence[CopyRow]) -> None:
        """A mail that was never taken and is not listed any more cannot be taken."""
        if copies:
            collect.vanished(self._app, self._claim, [copy.id for copy in copies])
            self.figures.skipped += len(copies)

    def _take_some(self, there: Mapping[int, CopyRow]) -> None:
        most = most_octets(self._source, self._limits)
        waiting = {n: copy for n, copy in there.items() if (copy.size or 0) <= most}
        giants = {n: copy for n, copy in there.items() if n not in waiting}
        batch: list[Taken] = []
        octets = 0
        refused: list[int] = []
        try:
            for number, raw in self._fetch(list(waiting)):
                copy = waiting.pop(number)
                if raw is None and number in self._client.too_large:
                    giants[number] = copy
                    continue
                if raw is None or is_hollow(copy, raw):
                    refused.append(copy.id)
                    continue
                batch.append(Taken(copy, raw))
                octets += raw.size
                if octets >= self._limits.bounds.batch_octets:
                    self._store(batch)
                    batch, octets = [], 0
        except RemoteError as error:
            # Which mail it was about is the first that did not come; it is tried again, behind the others.
            suspects = [copy.id for copy in waiting.values()][:1]
            collect.tried(self._app, self._claim, suspects, error.trouble.value)
            raise
        finally:
            self._store(batch)
        self._take_headers(giants)
        if refused:
            collect.not_taken(self._app, self._claim, refused, Trouble.BROKEN_PROTOCOL.value)
            self.figures.failed += len(refused)

    def _store(self, batch: Sequence[Taken]) -> None:
        if batch:
            collect.take(self._app, self._claim, batch)
            self.figures.stored += len(batch)
            self._tell(self.figures)

    def _take_headers(self, giants: Mapping[int, CopyRow]) -> None:
        for number, copy in giants.items():
            if not self._client.can_top:
                collect.not_taken(self._app, self._claim, [copy.id], Trouble.REFUSED_ACT.value)
                self.figures.failed += 1
                continue
            head = self._client.top(number) or b""
            raw = raw_of(head, self._app.store.bodies.tmp, self._app.store.inline_max)
            collect.take(self._app, self._claim, [Taken(copy, raw, is_header=True)])
            self.figures.headers += 1
            self._tell(self.figures)

    # -- deleting --------------------------------------------------------------------------------------------------

    def _act(self, folder: FolderRow, here: Mapping[Key, Listed]) -> None:
        """Delete what is stored and due, and end the session: only its end makes the deletions hold."""
        begun: list[int] = []
        last: CopyRow | None = None
        while self._claim.after.deletes:
            copies = collect.to_act(self._app, self._claim, folder, after=last, limit=ACTS)
            if not copies:
                break
            last = copies[-1]
            # What is not listed any more is gone: we deleted it and did not hear so, or somebody else did.
            gone = [copy.id for copy in copies if _key(copy) not in here]
            collect.end_acts(self._app, self._claim, gone)
            there = {here[_key(copy)].number: copy.id for copy in copies if _key(copy) in here}
            if not there:
                continue
            collect.begin_acts(self._app, self._claim, list(there.values()))
            deleted = self._client.delete(list(there))
            begun += [there[number] for number in deleted]
            self.figures.acted += len(deleted)
        try:
            collect.still_ours(self._app, self._claim)
        except LeaseLostError:
            self._client.roll_back()
            raise
        self._client.commit()
        if begun:
            collect.end_acts(self._app, self._claim, begun)
        self._tell(self.figures)


def named(
    app: App, source: SourceRow, client: PopClient, listing: Sequence[Listed], limits: Limits
) -> dict[Key, Listed]:
    """Name what is there; of a server that names nothing, as many mails as one session takes away.

    Raises RemoteError: NO_NAMES where such a server's mails are not all taken away at once.
    """
    try:
        return keyed(client, listing)
    except RemoteError as error:
        if error.trouble is not Trouble.NO_NAMES or not takes_all_away(source):
            raise
    first = listing[:SESSION_MAILS]
    return keyed_by_bytes(first, lambda numbers: fetched(app, source, client, numbers, limits))


def fetched(
    app: App, source: SourceRow, client: PopClient, numbers: Sequence[int], limits: Limits
) -> Iterable[tuple[int, Raw | None]]:
    """Fetch mails, no larger than the source takes."""
    if not numbers:
        return ()
    most = most_octets(source, limits)
    return client.fetch(numbers, spool_for(app), max_size=most)


def takes_all_away(source: SourceRow) -> bool:
    """Whether every mail is deleted as soon as it is stored: then it need not be known again for long."""
    after = read_after(source.after)
    return after.deletes and not after.wait and source.since == "all"


def _key(copy: CopyRow) -> Key:
    return copy.uidl, copy.ordinal


def _is_before(head: bytes, begin: datetime) -> bool:
    """Whether a mail's Date is before; what does not tell its date is taken."""
    value = header_block.topmost(header_block.fields(head), b"date")
    try:
        written = parsedate_to_datetime((value or b"").decode("ascii", "replace"))
    except ValueError:
        return False
    if written.tzinfo is None:
        written = written.replace(tzinfo=UTC)
    return written < begin
