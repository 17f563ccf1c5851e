"""What is wrong with a source is said in a sentence of its own that names the thing; the other sources go on (D8, D9)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from maild.core.app import OPERATOR
from maild.core.source_views import SourceView
from maild.core.sources import list_sources, source_row
from maild.daemon.pollers import Pollers
from maild.model.source import SignIn, TlsMode
from maild.testing.dovecot import Dovecot
from tests.sources.site import Collector, Mailbox, letter

HANG_S = 60.0
"""Against hangs only."""
HUGE = letter("huge", body=("z" * 70 + "\r\n") * 6000)
"""More than the quota of `other_dovecot`."""


def wrong_host(here: Collector, box: Mailbox, _: Mailbox) -> None:
    here.add("bad", box, host="nowhere.invalid")


def wrong_port(here: Collector, box: Mailbox, _: Mailbox) -> None:
    here.add_at("bad", 1, box.user, "imap")


def wrong_protocol(here: Collector, box: Mailbox, _: Mailbox) -> None:
    here.add_at("bad", box.dovecot.pop, box.user, "imap")


def wrong_certificate(here: Collector, box: Mailbox, _: Mailbox) -> None:
    here.add_at("bad", box.dovecot.imaps, box.user, "imap", tls=TlsMode.IMPLICIT)


def wrong_password(here: Collector, box: Mailbox, _: Mailbox) -> None:
    here.add("bad", box, options={"ref": here.secret_file("wrong", "wrong-pw")})


def no_password(here: Collector, box: Mailbox, _: Mailbox) -> None:
    here.add("bad", box, sign_in=SignIn.FILE, options={"ref": str(here.folder / "no-such-file")})


def wrong_folder(here: Collector, box: Mailbox, _: Mailbox) -> None:
    here.add("bad", box, folder="Wrong")


def vanished_folder(here: Collector, box: Mailbox, _: Mailbox) -> None:
    box.create("Short lived")
    here.add("bad", box, folder="Short lived")
    here.poll("bad")
    box.dovecot.doveadm("mailbox", "delete", "-u", box.user, "Short lived")


def full_mailbox(here: Collector, _: Mailbox, on_other: Mailbox) -> None:
    on_other.create("Taken")
    on_other.fill([HUGE])
    here.add("bad", on_other, after="move:Taken")


def wrong_target(here: Collector, box: Mailbox, _: Mailbox) -> None:
    box.send("first")
    here.add("bad", box, after="move:No target")


FAULTS: dict[str, tuple[Callable[[Collector, Mailbox, Mailbox], None], str]] = {
    "host": (wrong_host, "nowhere.invalid"),
    "port": (wrong_port, "127.0.0.1:1;"),
    "protocol": (wrong_protocol, "does not speak IMAP"),
    "certificate": (wrong_certificate, "certificate"),
    "password": (wrong_password, "password"),
    "secret": (no_password, "no-such-file"),
    "folder": (wrong_folder, "no folder Wrong"),
    "vanished folder": (vanished_folder, "no folder Short lived"),
    "quota": (full_mailbox, "over its quota"),
    "target": (wrong_target, "No target"),
}


@pytest.fixture
def on_other(box: Mailbox, other_dovecot: Dovecot) -> Mailbox:
    return Mailbox(other_dovecot, box.user)


@pytest.mark.parametrize("fault", FAULTS)
def test_D8_the_sentence_names_what_is_wrong(
    here: Collector, box: Mailbox, on_other: Mailbox, fault: str
) -> None:
    make, named = FAULTS[fault]
    make(here, box, on_other)
    assert named in here.trouble("bad")


def test_D8_no_two_faults_have_the_same_sentence(
    here: Collector, dovecot: Dovecot, other_dovecot: Dovecot, some_users: list[str]
) -> None:
    sentences = set()
    for (make, _), user in zip(FAULTS.values(), some_users, strict=True):
        make(here, Mailbox(dovecot, user), Mailbox(other_dovecot, user))
        sentences.add(here.trouble("bad").replace(user, "USER").partition("The server said")[0])
        # The next one takes its name.
        rename(here, "bad", f"bad{len(sentences)}")
    assert len(sentences) == len(FAULTS)
    assert "" not in sentences


def test_D3_a_full_mailbox_keeps_the_mail_where_it_was_and_it_is_stored_once(
    here: Collector, box: Mailbox, on_other: Mailbox
) -> None:
    full_mailbox(here, box, on_other)
    for _ in range(2):
        here.trouble("bad")
    assert on_other.subjects() == ["huge"]
    assert on_other.subjects("Taken") == []
    assert here.subjects() == ["huge"]


@pytest.mark.slow
def test_D9_sources_that_fail_in_every_way_do_not_keep_the_others_from_their_mail(
    here: Collector, dovecot: Dovecot, other_dovecot: Dovecot, some_users: list[str]
) -> None:
    for number, ((make, _), user) in enumerate(zip(FAULTS.values(), some_users, strict=True)):
        make(here, Mailbox(dovecot, user), Mailbox(other_dovecot, user))
        rename(here, "bad", f"bad{number}")
    good = {kind: Mailbox(dovecot, f"good-{kind}@acme.example") for kind in ("imap", "pop")}
    for kind, box in good.items():
        here.add(kind, box, kind, every="5s")

    async def polled() -> dict[str, SourceView]:
        pollers = Pollers(here.app, here.settings)
        try:
            await until(here, pollers, lambda views: all(one.last_try_at for one in views.values()))
            for kind, box in good.items():
                box.send(f"late-{kind}")
            return await until(here, pollers, lambda _: len(late(here)) == len(good))
        finally:
            await pollers.stop()

    views = asyncio.run(polled())
    assert {one.state for name, one in views.items() if name in good} == {"OK"}
    failing = [one for name, one in views.items() if name not in good]
    assert len(failing) == len(FAULTS)
    assert all(one.trouble_text and one.next_try_at for one in failing)


def rename(here: Collector, old: str, new: str) -> None:
    """Give a source another name, which no admin can: so that each fault is made as in its own test."""
    row = source_row(here.app, old, by=OPERATOR)
    with here.app.store.write() as tx:
        tx.sources.set(row.id, {"name": new})


def late(here: Collector) -> list[str]:
    return [subject for subject in here.subjects() if subject.startswith("late-")]


async def until(
    here: Collector, pollers: Pollers, is_so: Callable[[dict[str, SourceView]], bool]
) -> dict[str, SourceView]:
    """Let the pollers work until the sources are so."""
    deadline = time.monotonic() + HANG_S
    while True:
        await pollers.tick()
        views = {one.name: one for one in list_sources(here.app, by=OPERATOR)}
        if is_so(views):
            return views
        assert time.monotonic() < deadline, views
        await asyncio.sleep(0.2)
