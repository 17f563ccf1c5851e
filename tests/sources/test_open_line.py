"""Rounds on a line that stays open: the mailbox is not opened anew, and nothing is missed or doubled (D3, D5)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from maild.core.remote import Password
from maild.doors.imap.ask import Ask
from maild.doors.imap.client import ImapClient, Selected
from maild.doors.imap.session import Session
from maild.testing.scripted_imap import NAME, SECRET, Peer, Script, ScriptedImap
from tests.doors_imap.round import with_client
from tests.sources.site import Collector, Mailbox

pytestmark = pytest.mark.real


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the commands that servers were given."""
    given: list[str] = []
    do = Session.do

    async def heard(self: Session, name: str, *words: str, prefix: str = "", room: int = 0) -> Ask:
        given.append(name)
        return await do(self, name, *words, prefix=prefix, room=room)

    monkeypatch.setattr(Session, "do", heard)
    return given


def test_a_mailbox_is_opened_once_and_asked_for_news(
    here: Collector, box: Mailbox, commands: list[str]
) -> None:
    """A server reads all of a mailbox to open it; with 50,000 mails that would be every round's price."""
    box.send("one", "two")
    here.add("acme", box)

    def another(key: str) -> Callable[[], None]:
        return lambda: box.send(key)

    done = here.poll_on_a_line("acme", lambda: None, another("three"), another("four"))

    assert [(figures.listed, figures.new) for figures in done] == [(2, 2), (2, 0), (3, 1), (4, 1)]
    assert commands.count("SELECT") == 1
    assert here.subjects() == ["four", "one", "three", "two"]
    here.assert_nothing_again("acme")


def test_what_others_do_meanwhile_neither_hides_nor_doubles_a_mail(
    here: Collector, box: Mailbox, commands: list[str]
) -> None:
    box.send("one", "two", "three")
    here.add("acme", box)

    def others() -> None:
        box.dovecot.doveadm("expunge", "-u", box.user, "mailbox", "INBOX", "subject", "two")
        box.send("four")
        box.flag("\\Seen")

    done = here.poll_on_a_line("acme", others, lambda: None)

    assert [(figures.listed, figures.new) for figures in done] == [(3, 3), (3, 1), (3, 0)]
    assert commands.count("SELECT") == 1
    assert here.subjects() == ["four", "one", "three", "two"]
    here.assert_nothing_again("acme")


def test_a_mailbox_that_is_made_anew_under_the_line_is_seen_for_what_it_is(
    here: Collector, box: Mailbox
) -> None:
    box.create("Work")
    box.send("one", "two", folder="Work")
    here.add("acme", box, folder="Work")

    def anew() -> None:
        time.sleep(1.1)  # Dovecot tells a folder from the one before it by a time in seconds.
        box.dovecot.doveadm("mailbox", "delete", "-u", box.user, "Work")
        box.create("Work")
        box.send("one", "two", "three", folder="Work")

    here.poll_on_a_line("acme", anew, lambda: None)

    assert here.subjects() == ["one", "three", "two"]
    here.assert_nothing_again("acme")


def test_numbers_that_are_lost_under_the_line_are_noticed(here: Collector, box: Mailbox) -> None:
    """The line goes on with what it had, or ends; either way what comes afterwards comes, and once."""
    box.send("one", "two")
    here.add("acme", box)

    def lost() -> None:
        box.dovecot.lose_uids(box.user)
        box.send("three")

    here.poll_on_a_line("acme", lost, lambda: box.send("four"))
    here.poll("acme")

    assert here.subjects() == ["four", "one", "three", "two"]
    here.assert_nothing_again("acme")


def test_D4_a_mailbox_is_opened_before_anything_is_deleted_in_it(
    here: Collector, box: Mailbox, commands: list[str]
) -> None:
    """Its numbers may be others by now, on a server that breaks its word (RFC 3501 2.3.1.1)."""
    here.add("acme", box, after="delete")

    here.poll_on_a_line("acme", lambda: box.send("one"))

    assert commands.count("SELECT") == 2
    assert commands.index("STORE") > len(commands) - 1 - commands[::-1].index("SELECT")
    assert (box.count(), here.subjects()) == (0, ["one"])


def test_D4_nothing_is_deleted_by_numbers_that_are_others_now(
    here: Collector, box: Mailbox, commands: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    select = ImapClient.select

    async def renumbered(self: ImapClient, name: str) -> Selected:
        selected = await select(self, name)
        return replace(selected, uidvalidity=selected.uidvalidity + (commands.count("SELECT") > 1))

    monkeypatch.setattr(ImapClient, "select", renumbered)
    here.add("acme", box, after="delete")

    here.poll_on_a_line("acme", lambda: box.send("one"))

    assert "STORE" not in commands
    assert (box.count(), here.subjects()) == (1, ["one"])


@pytest.mark.parametrize("when", ["refuses NOOP", "tells at NOOP", "tells while idling"])
def test_a_mailbox_is_opened_anew_when_the_server_says_that_it_is_another(when: str) -> None:
    async def refuse(peer: Peer, tag: bytes, _: bytes) -> None:
        await peer.say(tag + b" NO not now\r\n")

    async def tell(peer: Peer, tag: bytes, _: bytes) -> None:
        await peer.say(b"* OK [UIDVALIDITY 77] restored\r\n" + tag + b" OK done\r\n")

    async def idle(peer: Peer, tag: bytes, _: bytes) -> None:
        await peer.say(b"+ idling\r\n* OK [UIDVALIDITY 77] restored\r\n")
        await peer.line()
        await peer.say(tag + b" OK done\r\n")

    on = {
        "refuses NOOP": {"NOOP": refuse},
        "tells at NOOP": {"NOOP": tell},
        "tells while idling": {"IDLE": idle},
    }[when]

    async def act(client: ImapClient) -> None:
        await client.select("INBOX")
        await client.uids()
        if when == "tells while idling":
            await client.idle(0.3)
        await client.look_again("INBOX")

    with ScriptedImap(Script(on=on)) as server:
        with_client(server.endpoint(), Password(NAME, SECRET), act)
    opened = [one for one in server.commands if one.startswith("SELECT")]
    assert len(opened) == 2
