"""What a server can make us take: no more than the bounds say, and no less than a mail needs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from typing_extensions import override

from maild.core.raw import Spool
from maild.core.remote import RemoteError, Trouble
from maild.doors.imap.client import ImapClient
from maild.testing.imap_mischief import says
from maild.testing.scripted_imap import MAILS, Peer, Script, mail
from tests.doors_imap.round import BOUNDS, content_of
from tests.doors_imap.test_stock_traps import trouble_of, with_ours

WORDY = mail(4, subject=b"x" * 100_000)


async def knows_no_parts(peer: Peer, tag: bytes, rest: bytes) -> None:
    if b"<0." in rest:
        await peer.say(tag + b" BAD no parts here\r\n")
    else:
        answer = b"BODY[HEADER] {%d}\r\n%s" % (len(WORDY), WORDY)
        await peer.say(b"* 1 FETCH (UID 4 RFC822.SIZE 9 %s)\r\n%s OK done\r\n" % (answer, tag))


async def reads_no_header(peer: Peer, tag: bytes, rest: bytes) -> None:
    if 4 in peer.among(rest):
        await peer.say(tag + b" NO [SERVERBUG] broken mail\r\n")
    else:
        await peer.obey("HEADS", tag, rest)


def listing(count: int) -> Script:
    uids = b" ".join(b"%d" % uid for uid in range(1, count + 1))
    return Script(on={"SEARCH": says(b"* SEARCH " + uids + b"\r\n{tag} OK done\r\n")})


def test_a_listing_as_long_as_allowed_is_taken() -> None:
    async def act(client: ImapClient) -> None:
        assert len(await client.uids()) == BOUNDS.listing

    with_ours(listing(BOUNDS.listing), act)


def test_a_listing_of_one_more_is_refused() -> None:
    async def act(client: ImapClient) -> None:
        assert await trouble_of(client.uids()) is Trouble.BROKEN_PROTOCOL

    with_ours(listing(BOUNDS.listing + 1), act)


def test_a_server_without_partial_headers_is_asked_for_whole_ones_and_they_are_cut() -> None:
    async def act(client: ImapClient) -> None:
        (head,) = [head async for head in client.heads([4])]
        assert head.header == WORDY[: 32 * 1024]

    commands = with_ours(Script(on={"HEADS": knows_no_parts}), act).commands
    assert [("<0." in line) for line in commands if "FETCH" in line] == [True, False]


def test_a_mail_whose_header_the_server_cannot_read_hides_no_other() -> None:
    async def act(client: ImapClient) -> None:
        heads = {head.uid: head async for head in client.heads([4, 5, 7, 9])}
        assert set(heads) == {4, 5, 7, 9}
        assert (heads[4].header, heads[4].size) == (b"", len(MAILS[4]))
        assert heads[5].header

    with_ours(Script(on={"HEADS": reads_no_header}), act)


@pytest.mark.parametrize("announced", [1, 200_000, 299_999, 300_001, 1_000_000])
def test_a_large_mail_is_whole_whatever_size_was_announced(tmp_path: Path, announced: int) -> None:
    async def act(client: ImapClient) -> None:
        wanted = [(9, announced)]
        ((uid, raw),) = [each async for each in client.bodies(wanted, lambda: Spool(tmp_path, 9))]
        assert raw is not None
        assert (uid, content_of(raw)) == (9, MAILS[9])

    with_ours(Script(), act)


def test_a_mail_that_never_ends_is_refused(tmp_path: Path) -> None:
    async def grows(peer: Peer, tag: bytes, rest: bytes) -> None:
        at = int(rest.partition(b"<")[2].partition(b".")[0])
        piece = b"x" * BOUNDS.piece
        answer = b"* 1 FETCH (UID 9 BODY[]<%d> {%d}\r\n%s)\r\n" % (at, len(piece), piece)
        await peer.say(answer + tag + b" OK done\r\n")

    async def act(client: ImapClient) -> None:
        bodies = client.bodies([(9, 300_000)], lambda: Spool(tmp_path, 9))
        assert await trouble_of(anext(aiter(bodies))) is Trouble.BROKEN_PROTOCOL

    with_ours(Script(on={"PART": grows}), act)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_passes_through_and_leaves_the_connection_usable(tmp_path: Path) -> None:
    class Full(Spool):
        @override
        def write(self, piece: bytes, *, is_crlf: bool = False) -> None:
            raise OSError(28, "No space left on device")

    async def act(client: ImapClient) -> None:
        for wanted in ([(4, 300)], [(9, 300_000)]):
            with pytest.raises(OSError, match="No space"):
                await anext(aiter(client.bodies(wanted, lambda: Full(tmp_path, 9))))
        assert await client.uids() == sorted(MAILS)

    with_ours(Script(), act)


def test_leaving_in_the_middle_of_bodies_leaves_the_connection_usable(tmp_path: Path) -> None:
    async def act(client: ImapClient) -> None:
        async for _ in client.bodies([(4, 300), (5, 300)], lambda: Spool(tmp_path, 9999)):
            break
        assert await client.uids() == sorted(MAILS)

    with_ours(Script(), act)


def test_two_tasks_on_one_connection_are_a_fault_of_ours() -> None:
    async def act(client: ImapClient) -> None:
        first = asyncio.ensure_future(client.idle(5))
        await asyncio.sleep(0.05)
        with pytest.raises(RuntimeError, match="one command at a time"):
            await client.uids()
        client.close()
        with pytest.raises(RemoteError):
            await first

    with_ours(Script(), act)
