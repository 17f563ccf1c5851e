"""An import out of a source's IMAP mailbox: what lay there before the source began (D13).

Nothing is changed on the server, and the ledger is only asked: the source goes on as if nothing had happened.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from maild.core.archives_listed import Listed, Marks, unknown_on_server
from maild.core.polling import SourceRow
from maild.core.raw import Raw, Spool
from maild.core.sources import source_row
from maild.daemon.importing import BATCH_MAILS, BATCH_OCTETS, Order, Run, Some, Tally, running
from maild.daemon.lines import Lines
from maild.daemon.rounds import Rounds
from maild.daemon.visits import go
from maild.doors.files.trees import Found
from maild.doors.imap.client import ImapClient
from maild.doors.imap.heads import Head
from maild.faces.cli.context import Context
from maild.faces.cli.options import WrongUsageError
from maild.model.source import SourceKind
from maild.threads import do

LISTED_TOGETHER = 500


def run_imap(cli: Context, order: Order, name: str) -> Tally:
    """Import, or count, what a source's mailbox holds.  Raises RefusedError, FaultError, StoreDownError, OSError."""
    source = source_row(cli.app, name, account=cli.account_slug, by=cli.by)
    if source.kind is not SourceKind.IMAP:
        raise WrongUsageError(f"--source: {name} speaks POP, which has no dates; only IMAP has.")

    async def act(_: Rounds, lines: Lines) -> Tally:
        client = await lines.imap(source)
        try:
            selected = await client.select(source.folder or "INBOX")
            uids = await client.uids(0)
            with running(cli, order, len(uids)) as run:
                visit = _Visit(cli, order, source, client, selected.uidvalidity)
                for start in range(0, len(uids), LISTED_TOGETHER):
                    if not await visit.take(run, uids[start : start + LISTED_TOGETHER]):
                        break
            await client.logout()
        finally:
            client.close()
        return run.tally

    return go(cli, source, act)


class _Visit:
    """Fetches what is not known, and hands it on."""

    def __init__(
        self, cli: Context, order: Order, source: SourceRow, client: ImapClient, uidvalidity: int
    ) -> None:
        self._cli = cli
        self._order = order
        self._source = source
        self._client = client
        self._uidvalidity = uidvalidity
        self._name = f"{source.name} {source.folder or 'INBOX'}"
        self._seen: set[Marks] = set()

    async def take(self, run: Run, uids: Sequence[int]) -> bool:
        """Take a part of the mailbox; False when no more is wanted."""
        heads = [head async for head in self._client.heads(uids)]
        young = [head for head in heads if not self._is_older(head.internal_date)]
        unknown = await do(self._unknown, young)
        run.know(self._name, len(heads) - len(young), older=True)
        run.know(self._name, len(young) - len(unknown))
        if not run.take([], len(heads) - len(unknown)):
            return False
        for some in _portions(unknown):
            found = await self._fetched(some)
            if not await do(run.take, found, len(some)):
                return False
        return True

    def _is_older(self, at: datetime | None) -> bool:
        since = self._order.how.since
        return since is not None and at is not None and at < since

    def _unknown(self, heads: Sequence[Head]) -> list[Head]:
        app, how, by = self._cli.app, self._order.how, self._cli.by
        listed = [Listed(head.uid, head.size, head.header) for head in heads]
        unknown = unknown_on_server(
            app, self._source, self._uidvalidity, listed, how, seen=self._seen, by=by
        )
        return [head for head in heads if head.uid in unknown]

    async def _fetched(self, heads: Sequence[Head]) -> Some:
        most = self._cli.app.fetch_max
        found: Some = []
        for head in heads:
            if head.size > most:
                why = f"{head.size} octets are more than a mail may have ({most})"
                found.append((self._name, self._trouble(head, why)))
        small = {head.uid: head for head in heads if head.size <= most}
        wanted = [(uid, head.size) for uid, head in small.items()]
        async for uid, raw in self._client.bodies(wanted, self._spool):
            head = small[uid]
            if raw is None or raw.size == 0:
                mail = self._trouble(head, "the server did not give it")
            else:
                mail = Found(
                    self._place(head), 1, await do(_content, raw), received_at=head.internal_date
                )
            found.append((self._name, mail))
        return found

    def _spool(self) -> Spool:
        # Back into memory at its end: a batch is bounded.
        return Spool(self._cli.app.store.bodies.tmp, 2 * self._cli.app.fetch_max)

    def _place(self, head: Head) -> str:
        return f"{self._name} UID {head.uid}"

    def _trouble(self, head: Head, why: str) -> Found:
        return Found(self._place(head), 1, trouble=why)


def _content(raw: Raw) -> bytes:
    if raw.inline is not None:
        return raw.inline
    content = raw.spooled.read_bytes() if raw.spooled is not None else b""
    raw.discard()
    return content


def _portions(heads: Sequence[Head]) -> Iterator[list[Head]]:
    some: list[Head] = []
    octets = 0
    for head in heads:
        some.append(head)
        octets += head.size
        if len(some) >= BATCH_MAILS or octets >= BATCH_OCTETS:
            yield some
            some, octets = [], 0
    if some:
        yield some
