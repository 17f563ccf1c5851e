"""The traps of stock aioimaplib 2.0.3, each shown with its fault, and with our client beside it.

When one of the `stock` halves fails, upstream has mended something: look whether our replacement is still needed.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import inspect
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aioimaplib import aioimaplib as stock

from maild.core.raw import Spool
from maild.core.remote import Bearer, Password, Patience, RemoteError, Trouble
from maild.doors.imap.client import ImapClient
from maild.testing.imap_mischief import before, drips, hang, lose, pours, refuses_token, says
from maild.testing.scripted_imap import MAILS, NAME, SECRET, TOKEN, Peer, Script, ScriptedImap
from tests.doors_imap.round import BOUNDS, SHORT

FLAGS_4000 = b"".join(b"* %d FETCH (FLAGS (\\Seen))\r\n" % n for n in range(1, 4001))
FLAGS = "(UID RFC822.SIZE FLAGS)"
AGES = 30.0


class StockRound:
    """A stock client on a scripted server; what its loop could only log is in `faults`."""

    def __init__(self, client: stock.IMAP4, server: ScriptedImap) -> None:
        self.client, self.server = client, server
        self.faults: list[str] = []

    def note(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.faults.append(repr(context.get("exception")))


def with_stock(
    script: Script, act: Callable[[StockRound], Awaitable[None]], *, to: str = "SELECTED"
) -> ScriptedImap:
    """Bring a stock client to a state, and act."""

    async def run() -> None:
        client = stock.IMAP4("127.0.0.1", server.port, timeout=1.0)
        this = StockRound(client, server)
        asyncio.get_running_loop().set_exception_handler(this.note)
        try:
            if to != "CONNECTED":
                await client.wait_hello_from_server()
            if to in {"AUTH", "SELECTED"}:
                await client.login(NAME, SECRET)
            if to == "SELECTED":
                await client.select("INBOX")
            await asyncio.wait_for(act(this), AGES)
        finally:
            if client.protocol.transport is not None:
                client.protocol.transport.abort()
            await asyncio.sleep(0.01)

    with ScriptedImap(script) as server:
        asyncio.run(run())
    return server


def with_ours(
    script: Script,
    act: Callable[[ImapClient], Awaitable[None]],
    *,
    to: str = "SELECTED",
    patience: Patience = SHORT,
) -> ScriptedImap:
    """Bring our client to a state, and act."""

    async def run() -> None:
        client = await ImapClient.connect(
            server.endpoint(), server.address, patience=patience, bounds=BOUNDS
        )
        with contextlib.closing(client):
            if to in {"AUTH", "SELECTED"}:
                await client.sign_in(Password(NAME, SECRET))
            if to == "SELECTED":
                await client.select("INBOX")
            await asyncio.wait_for(act(client), AGES)

    with ScriptedImap(script) as server:
        asyncio.run(run())
    return server


async def trouble_of(waiting: Awaitable[object]) -> Trouble:
    with pytest.raises(RemoteError) as caught:
        await waiting
    return caught.value.trouble


async def fetch(client: ImapClient) -> list[int]:
    return [head.uid async for head in client.heads([4, 5])]


@pytest.mark.slow
def test_stock_dies_of_4000_lines_by_recursion() -> None:
    async def act(this: StockRound) -> None:
        waiting = asyncio.ensure_future(this.client.uid("fetch", "4:5", FLAGS))
        done, _ = await asyncio.wait([waiting], timeout=2)
        assert not done  # Not even its own time-out of a second ends it.
        waiting.cancel()
        assert any("RecursionError" in fault for fault in this.faults)

    with_stock(Script(on={"FACTS": before(FLAGS_4000, "FACTS")}), act)


def test_ours_takes_4000_lines() -> None:
    async def act(client: ImapClient) -> None:
        assert await fetch(client) == [4, 5]

    with_ours(Script(on={"HEADS": before(FLAGS_4000, "HEADS")}), act)


UNBALANCED = (
    b'* 1 FETCH (ENVELOPE (NIL "50 * off (now") UID 4)\r\n* 9 EXISTS\r\n* 2 FETCH (UID 5)\r\n'
)


def test_stock_counts_a_parenthesis_in_a_subject_and_swallows_what_follows() -> None:
    async def act(this: StockRound) -> None:
        answer = await this.client.uid("fetch", "4:5", "(UID ENVELOPE)")
        assert b"* 9 EXISTS" in answer.lines
        assert b"* 2 FETCH (UID 5)" in answer.lines

    with_stock(Script(on={"FACTS": says(UNBALANCED + b"{tag} OK done\r\n")}), act)


def test_ours_is_not_misled_by_a_parenthesis_in_a_subject() -> None:
    async def act(client: ImapClient) -> None:
        assert await fetch(client) == [4, 5]
        assert await client.idle(5) is True  # The EXISTS was noticed.

    with_ours(Script(on={"HEADS": before(UNBALANCED, "HEADS")}), act)


STARRED = b'* LIST () "/" "50 * off * now"\r\n{tag} OK done\r\n'


def test_stock_removes_every_star_and_space_of_a_line() -> None:
    async def act(this: StockRound) -> None:
        answer = await this.client.list('""', '"*"')
        assert answer.lines[0] == b'() "/" "50 off now"'

    with_stock(Script(on={"LIST": says(STARRED)}), act)


def test_ours_keeps_stars() -> None:
    async def act(client: ImapClient) -> None:
        assert [folder.name for folder in await client.folders()] == ["50 * off * now"]

    with_ours(Script(on={"LIST": says(STARRED)}), act)


@pytest.mark.slow
def test_stock_waits_on_a_line_that_is_lost() -> None:
    async def act(this: StockRound) -> None:
        with pytest.raises(stock.CommandTimeout):
            await this.client.uid("fetch", "4", FLAGS)
        assert this.client.get_state() == "SELECTED"

    with_stock(Script(on={"FACTS": lose}), act)


@pytest.mark.slow
def test_stock_idles_on_a_line_that_is_lost() -> None:
    async def act(this: StockRound) -> None:
        this.client.protocol.capabilities.add("IDLE")
        waiting = asyncio.ensure_future(this.client.idle())
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(waiting), 1)
        waiting.cancel()

    with_stock(Script(on={"IDLE": lose}), act)


def test_ours_hears_at_once_that_a_line_is_lost() -> None:
    async def act(client: ImapClient) -> None:
        assert await trouble_of(fetch(client)) is Trouble.LINE_LOST
        assert not client.is_usable

    with_ours(Script(on={"HEADS": lose}), act, patience=Patience())


def test_ours_hears_while_idling_that_a_line_is_lost() -> None:
    async def act(client: ImapClient) -> None:
        assert await trouble_of(client.idle(600)) is Trouble.LINE_LOST

    with_ours(Script(on={"IDLE": lose}), act, patience=Patience())


def test_stock_over_TLS_cannot_be_told_of_a_lost_line() -> None:
    assert "conn_lost_cb" not in inspect.signature(stock.IMAP4_SSL.__init__).parameters


async def is_late(peer: Peer, tag: bytes, rest: bytes) -> None:
    await asyncio.sleep(1.5)
    await peer.obey("FACTS", tag, rest)


@pytest.mark.slow
def test_stock_dies_of_the_late_answer_to_a_command_that_timed_out() -> None:
    async def act(this: StockRound) -> None:
        with pytest.raises(stock.CommandTimeout):
            await this.client.uid("fetch", "4", FLAGS)
        with pytest.raises(stock.CommandTimeout):
            await this.client.uid("fetch", "4", FLAGS)
        assert any("Abort" in fault for fault in this.faults)

    with_stock(Script(on={"FACTS": is_late}), act)


def test_ours_is_closed_by_a_time_out() -> None:
    async def act(client: ImapClient) -> None:
        assert await trouble_of(fetch(client)) is Trouble.TIMED_OUT
        assert not client.is_usable
        assert await trouble_of(client.uids()) is Trouble.TIMED_OUT

    server = with_ours(Script(on={"HEADS": hang}), act)
    assert not any("SEARCH" in command for command in server.commands)


@pytest.mark.slow
def test_stock_lets_the_next_command_wait_for_a_cancelled_one() -> None:
    async def act(this: StockRound) -> None:
        first = asyncio.ensure_future(this.client.uid_search("ALL", charset=None))
        await asyncio.sleep(0.1)
        first.cancel()
        with pytest.raises(asyncio.TimeoutError):
            await this.client.uid_search("ALL", charset=None)

    with_stock(Script(on={"SEARCH": hang}), act)


def test_ours_is_closed_by_a_cancelled_wait() -> None:
    async def act(client: ImapClient) -> None:
        first = asyncio.ensure_future(client.uids())
        await asyncio.sleep(0.1)
        first.cancel()
        await asyncio.wait([first])
        assert first.cancelled()
        assert await trouble_of(client.uids()) is Trouble.LINE_LOST

    with_ours(Script(on={"SEARCH": hang}), act, patience=Patience())


BYE = Script(greeting=b"* BYE [UNAVAILABLE] Too many connections\r\n")


@pytest.mark.slow
def test_stock_loses_the_reason_of_a_BYE_and_waits_for_its_time_out() -> None:
    async def act(this: StockRound) -> None:
        with pytest.raises(asyncio.TimeoutError):
            await this.client.wait_hello_from_server()

    with_stock(BYE, act, to="CONNECTED")


def test_ours_tells_the_reason_of_a_BYE() -> None:
    async def nothing(_: ImapClient) -> None: ...

    with pytest.raises(RemoteError, match="Too many connections") as caught:
        with_ours(BYE, nothing, patience=Patience())
    assert caught.value.trouble is Trouble.BUSY


async def lets_in(peer: Peer, tag: bytes, _rest: bytes) -> None:
    peer.capabilities = b"IMAP4rev1 MOVE IDLE"
    if _rest.startswith(b"AUTH"):
        await peer.more()
    await peer.say(tag + b" OK [CAPABILITY IMAP4rev1 IDLE MOVE] Logged in\r\n")


LATE = Script(capabilities=b"IMAP4rev1 AUTH=PLAIN", on={"LOGIN": lets_in, "AUTHENTICATE": lets_in})


def test_stock_misreads_the_capabilities_after_LOGIN() -> None:
    async def act(this: StockRound) -> None:
        assert {"MOVE]", "Logged"} <= this.client.protocol.capabilities
        assert not this.client.has_capability("MOVE")

    with_stock(LATE, act, to="AUTH")


def test_ours_asks_for_the_capabilities_after_sign_in() -> None:
    async def act(client: ImapClient) -> None:
        assert client.capabilities == {"IMAP4REV1", "MOVE", "IDLE"}

    with_ours(LATE, act, to="AUTH")


@pytest.mark.slow
def test_stock_hangs_when_a_token_is_refused() -> None:
    async def act(this: StockRound) -> None:
        with pytest.raises(asyncio.TimeoutError):
            await this.client.xoauth2(NAME, TOKEN)

    with_stock(Script(on={"AUTHENTICATE": refuses_token}), act, to="NONAUTH")


def test_ours_answers_the_challenge_of_a_refused_token() -> None:
    async def act(client: ImapClient) -> None:
        assert await trouble_of(client.sign_in(Bearer(NAME, TOKEN))) is Trouble.REFUSED_LOGIN

    with_ours(Script(on={"AUTHENTICATE": refuses_token}), act, to="NONAUTH", patience=Patience())


@pytest.mark.slow
def test_stock_writes_the_secret_to_its_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def act(this: StockRound) -> None:
        with contextlib.suppress(asyncio.TimeoutError):
            await this.client.xoauth2(NAME, TOKEN)

    with_stock(Script(on={"AUTHENTICATE": refuses_token}), act, to="NONAUTH")
    line = base64.b64encode(f"user={NAME}\1auth=Bearer {TOKEN}\1\1".encode()).decode()
    assert line in caplog.text


@pytest.mark.parametrize("capabilities", [b"IMAP4rev1", b"IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2"])
@pytest.mark.parametrize("proof", [Password(NAME, SECRET), Bearer(NAME, TOKEN)])
def test_D7_ours_logs_nothing_that_goes_over_the_line(
    caplog: pytest.LogCaptureFixture, proof: Password | Bearer, capabilities: bytes
) -> None:
    caplog.set_level(logging.DEBUG)

    async def act(client: ImapClient) -> None:
        with contextlib.suppress(Exception):
            await client.sign_in(proof)
        await asyncio.sleep(0.05)

    with_ours(Script(capabilities=capabilities), act, to="NONAUTH")
    text = "".join(record.getMessage() for record in caplog.records if record.name != "asyncio")
    assert text == ""


def test_stock_knows_neither_STARTTLS_nor_PLAIN() -> None:
    assert not hasattr(stock.IMAP4, "starttls")
    assert not hasattr(stock.IMAP4, "authenticate")


def test_stock_does_not_quote_the_name_at_LOGIN() -> None:
    async def act(_: StockRound) -> None: ...

    server = with_stock(Script(), act, to="AUTH")
    assert any(command.startswith(f"LOGIN {NAME} ") for command in server.commands)


def test_ours_quotes_the_name_at_LOGIN() -> None:
    async def act(client: ImapClient) -> None:
        await client.sign_in(Password("a (b)", "c"))

    in_all = Script(capabilities=b"IMAP4rev1", on={"LOGIN": says(b"{tag} OK in\r\n")})
    server = with_ours(in_all, act, to="NONAUTH")
    assert 'LOGIN "a (b)" "c"' in server.commands


def test_stock_neither_quotes_nor_encodes_a_folder() -> None:
    async def act(this: StockRound) -> None:
        await this.client.select("Grüße (a b)")

    assert "SELECT Grüße (a b)" in with_stock(Script(), act, to="AUTH").commands


def test_ours_quotes_and_encodes_a_folder() -> None:
    async def act(client: ImapClient) -> None:
        await client.select("Grüße (a b)")

    assert 'SELECT "Gr&APwA3w-e (a b)"' in with_ours(Script(), act, to="AUTH").commands


def test_stock_cannot_fetch_after_EXAMINE() -> None:
    async def act(this: StockRound) -> None:
        await this.client.examine("INBOX")
        with pytest.raises(stock.Abort):
            await this.client.uid("fetch", "4", FLAGS)

    with_stock(Script(), act, to="AUTH")


def test_ours_looks_into_a_folder_that_it_only_examines() -> None:
    async def act(client: ImapClient) -> None:
        assert await client.find("Done", "<4@acme.example>") == [4]

    assert 'EXAMINE "Done"' in with_ours(Script(), act, to="AUTH").commands


def test_stock_searches_with_a_CHARSET_and_not_by_uid() -> None:
    async def act(this: StockRound) -> None:
        await this.client.uid_search("ALL")
        with pytest.raises(stock.Abort):
            await this.client.uid("search", "ALL")

    assert "UID SEARCH CHARSET utf-8 ALL" in with_stock(Script(), act).commands


def test_ours_searches_without_a_CHARSET() -> None:
    async def act(client: ImapClient) -> None:
        await client.uids()
        await client.uids(above=7)

    commands = with_ours(Script(), act).commands
    assert [line for line in commands if "SEARCH" in line] == [
        "UID SEARCH ALL",
        "UID SEARCH UID 8:*",
    ]


LAST_AGAIN = Script(on={"SEARCH": says(b"* SEARCH 9\r\n{tag} OK done\r\n")})


def test_ours_is_not_misled_by_the_last_mail_in_an_open_range() -> None:
    async def act(client: ImapClient) -> None:
        assert await client.uids(above=900) == []

    with_ours(LAST_AGAIN, act)


async def wakes_once(peer: Peer, tag: bytes, _rest: bytes) -> None:
    await peer.say(b"+ idling\r\n")
    await peer.line()
    await peer.say(tag + b" OK done\r\n")


def test_stock_leaves_a_stop_that_wakes_the_next_idle() -> None:
    async def act(this: StockRound) -> None:
        this.client.protocol.capabilities.add("IDLE")
        idling = await this.client.idle_start(timeout=0.05)
        await asyncio.sleep(0.2)
        this.client.protocol.idle_done()
        await idling
        idling = await this.client.idle_start(timeout=60)
        assert await this.client.wait_server_push(0.5) == stock.STOP_WAIT_SERVER_PUSH
        this.client.idle_done()
        await idling

    with_stock(Script(on={"IDLE": wakes_once}), act)


def test_ours_begins_each_idle_afresh() -> None:
    async def act(client: ImapClient) -> None:
        assert [await client.idle(0.05) for _ in range(3)] == [False] * 3

    with_ours(Script(on={"IDLE": wakes_once}), act)


HALF = b"* 1 FETCH (UID 4 RFC822.SIZE 9 BODY[HEADER.FIELDS (DATE)] {5000}\r\nx"


async def drips_a_literal(peer: Peer, tag: bytes, rest: bytes) -> None:
    await peer.say(HALF)
    await drips(b"x")(peer, tag, rest)


@pytest.mark.slow
def test_stock_starts_its_time_anew_with_every_octet() -> None:
    async def act(this: StockRound) -> None:
        waiting = asyncio.ensure_future(this.client.uid("fetch", "4", FLAGS))
        done, _ = await asyncio.wait([waiting], timeout=3)
        assert not done
        waiting.cancel()

    with_stock(Script(on={"FACTS": drips_a_literal}), act)


@pytest.mark.slow
def test_ours_has_an_end_to_its_patience() -> None:
    async def act(client: ImapClient) -> None:
        assert await trouble_of(fetch(client)) is Trouble.TIMED_OUT

    with_ours(Script(on={"HEADS": drips_a_literal}), act)


POURS = pours(b"* 1 FETCH (UID 4 BODY[] {99000000000}\r\n", b"x" * 65536)


@pytest.mark.slow
def test_stock_keeps_whatever_a_literal_announces() -> None:
    async def act(this: StockRound) -> None:
        waiting = asyncio.ensure_future(this.client.uid("fetch", "4", "(BODY.PEEK[])"))
        kept = 0
        while kept < 100_000_000:
            await asyncio.sleep(0.05)
            commands = this.client.protocol.pending_async_commands
            kept = len(commands["FETCH"]._resp_literal_data)
        waiting.cancel()

    with_stock(Script(on={"BODY": POURS}), act)


def test_ours_refuses_a_literal_before_it_comes() -> None:
    async def act(client: ImapClient) -> None:
        bodies = client.bodies([(4, 100)], lambda: pytest.fail("nothing is to be kept"))
        assert await trouble_of(anext(aiter(bodies))) is Trouble.BROKEN_PROTOCOL

    with_ours(Script(on={"BODY": POURS}), act)


OTHER = b"* 1 FETCH (UID 5 RFC822.SIZE 3 BODY[HEADER.FIELDS (DATE)] {2}\r\nhi)\r\n{tag} OK done\r\n"


def test_stock_hands_over_the_answer_about_another_mail() -> None:
    async def act(this: StockRound) -> None:
        answer = await this.client.uid("fetch", "4", FLAGS)
        assert answer.result == "OK"
        assert b"UID 5" in answer.lines[0]

    with_stock(Script(on={"FACTS": says(OTHER)}), act)


def test_ours_takes_no_answer_about_another_mail() -> None:
    async def act(client: ImapClient) -> None:
        assert [head async for head in client.heads([4])] == []

    with_ours(Script(on={"HEADS": says(OTHER)}), act)


def test_ours_fetches_large_mails_in_pieces(tmp_path: Path) -> None:
    async def act(client: ImapClient) -> None:
        async for _, raw in client.bodies([(9, len(MAILS[9]))], lambda: Spool(tmp_path, 10**6)):
            assert raw is not None

    commands = [line for line in with_ours(Script(), act).commands if "FETCH" in line]
    assert [line.split("]")[1] for line in commands] == [
        "<0.131072>)",
        "<131072.131072>)",
        "<262144.131072>)",
    ]
