"""The pollers as they run: they back off and say until when, heal by themselves, idle, and keep sources from each other (D9)."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from maild import failpoint
from maild.core.source_views import SourceView
from maild.core.sources import note_round
from maild.daemon import polled
from maild.daemon.pollers import Pollers
from maild.testing.dovecot import Dovecot
from maild.testing.imap_scripts import SCRIPTS
from maild.testing.installation import Installation
from maild.testing.scripted_imap import MAILS, NAME, SECRET, ScriptedImap
from maild.testing.scripted_pop import NAME as POP_NAME, SECRET as POP_SECRET, scripted
from tests.conftest import absent
from tests.crash.collecting import a_letter
from tests.rounds.outcomes import a_database
from tests.rounds.site import HANG_S, Site

pytestmark = pytest.mark.slow

MANY = 50
USERS = [f"u{number}@acme.example" for number in range(MANY)]
HOUR_S = 3600.0


@pytest.fixture(scope="module")
def database() -> Iterator[Path]:
    with a_database() as made:
        yield made


@pytest.fixture
def site(database: Path, tmp_path: Path) -> Iterator[Site]:
    made = Site.make(database, tmp_path)
    made.keep_secret(SECRET)
    yield made
    made.app.store.close()


def pause_of(view: SourceView) -> float:
    """The pause that was stated after the last try."""
    assert view.next_try_at is not None
    assert view.last_try_at is not None
    return (view.next_try_at - view.last_try_at).total_seconds()


def has_failed(site: Site, count: int) -> bool:
    return site.show("box").fail_count >= count


def digests(*letters: bytes) -> set[str]:
    return {hashlib.sha256(letter).hexdigest() for letter in letters}


def test_D9_refused_credentials_back_off_with_jitter_to_an_hour_at_most_and_the_next_try_is_shown(
    site: Site,
) -> None:
    async def run(server: ScriptedImap) -> list[SourceView]:
        site.add("box", "imap", server.port, NAME, every="5s")
        views: list[SourceView] = []
        async with site.polling():
            for count in range(1, 15):
                await site.until(partial(has_failed, site, count))
                views.append(site.show("box"))
                site.ask("box")
        return views

    with ScriptedImap("wrong password") as server:
        views = asyncio.run(run(server))
    slack = 3.0  # A round's own time.
    for view in views:
        expected = min(HOUR_S, 5 * 2.0 ** (view.fail_count - 1))
        assert 0.74 * expected <= pause_of(view) <= expected + slack
        assert view.trouble == "refused_login"
        assert view.trouble_text
        assert view.state == "AUTH_FAILED"
    capped = {round(pause_of(view)) for view in views if view.fail_count >= 11}
    assert len(capped) > 1, "all come back at the same moment"


@pytest.mark.parametrize("is_refused", [False, True])
def test_D4_a_server_that_wants_a_pause_between_sessions_gets_it(
    site: Site, is_refused: bool
) -> None:
    async def run(port: int) -> SourceView:
        site.add("box", "pop", port, POP_NAME, every="5s")
        async with site.polling():
            await site.until(lambda: site.show("box").next_try_at is not None)
        return site.show("box")

    site.keep_secret(POP_SECRET)
    with scripted("login-delay-announced", [a_letter("one")]) as server:
        if is_refused:
            told = {"do_pass": lambda peer, _: peer.say(b"-ERR [LOGIN-DELAY] too soon\r\n")}
            server.peer = type("TooSoon", (server.peer,), told)
        view = asyncio.run(run(server.port))
    assert view.trouble == ("login_later" if is_refused else None)
    assert 900 <= pause_of(view) <= HOUR_S


def test_D9_a_source_heals_by_itself_and_lag_and_backlog_are_shown(site: Site) -> None:
    async def run(server: ScriptedImap) -> tuple[SourceView, SourceView]:
        site.add("box", "imap", server.port, NAME, every="5s")
        async with site.polling():
            await site.until(lambda: site.show("box").fail_count > 0)
            failing = site.show("box")
            server.script = SCRIPTS["good"]
            await site.until(lambda: site.show("box").state == "OK")
        return failing, site.show("box")

    with ScriptedImap("lost in body") as server:
        failing, healed = asyncio.run(run(server))
    assert (failing.lag_s, failing.backlog, failing.trouble) == (None, len(MAILS), "line_lost")
    assert (healed.backlog, healed.trouble, healed.fail_count) == (0, None, 0)
    assert healed.lag_s is not None
    assert set(site.came()) == digests(*MAILS.values())


@pytest.mark.parametrize("change", ["every=30min", "paused"])
def test_D9_a_changed_source_is_tried_at_once(site: Site, change: str) -> None:
    """Its secret is another by then; whatever is set is a reason to try."""

    async def run(server: ScriptedImap) -> None:
        site.keep_secret("another")
        site.add("box", "imap", server.port, NAME, every="1h")
        async with site.polling():
            await site.until(lambda: site.show("box").fail_count > 0)
            site.keep_secret(SECRET)
            if change == "paused":
                site.set("box", paused="true")
                await asyncio.sleep(0.5)
                site.set("box", paused="false")
            else:
                site.set("box", every="30min")
            await site.until(lambda: site.show("box").state == "OK")

    with ScriptedImap("good") as server:
        asyncio.run(run(server))
    assert set(site.came()) == digests(*MAILS.values())


@pytest.mark.real
def test_D9_a_source_that_another_process_pauses_stops_and_starts_when_it_is_resumed(
    site: Site,
) -> None:
    elsewhere = Installation(site.folder)

    async def run(server: ScriptedImap) -> None:
        site.add("box", "imap", server.port, NAME, every="5s")
        async with site.polling() as pollers:
            await site.until(lambda: site.show("box").state == "OK")
            await asyncio.to_thread(elsewhere.cli, "source", "pause", "box")
            await site.until(lambda: not pollers._tasks)
            sessions = server.sessions
            site.ask("box")
            await asyncio.sleep(1)
            assert server.sessions == sessions
            await asyncio.to_thread(elsewhere.cli, "source", "resume", "box")
            await site.until(lambda: server.sessions > sessions)

    with ScriptedImap("good") as server:
        asyncio.run(run(server))


def test_D9_a_source_that_is_stopped_while_its_round_is_written_down_stops(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last report is awaited just then: that one's end is not to be taken for its own."""
    is_writing, may_end = threading.Event(), threading.Event()

    def slow_note(*arguments: Any) -> None:
        is_writing.set()
        may_end.wait(HANG_S)
        note_round(*arguments)

    async def run(server: ScriptedImap) -> None:
        site.add("box", "imap", server.port, NAME, every="1h")
        async with site.polling() as pollers:
            await site.until(is_writing.is_set)
            await site.until(lambda: site.came().total() == len(MAILS))
            await asyncio.sleep(0.5)
            stopping = asyncio.ensure_future(pollers.stop())
            await asyncio.sleep(0.1)
            may_end.set()
            async with asyncio.timeout(HANG_S):
                await stopping

    monkeypatch.setattr(polled, "REPORT_S", 0.0)
    monkeypatch.setattr(polled, "note_round", slow_note)
    with ScriptedImap("good") as server:
        asyncio.run(run(server))


def test_D9_a_source_whose_task_died_keeps_no_other_from_ending(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    ended: list[str] = []

    class Dead:
        async def stop(self) -> None:
            raise ValueError("a fault of ours")

    class Slow:
        async def stop(self) -> None:
            await asyncio.sleep(0.05)
            ended.append("slow")

    async def run() -> None:
        pollers = Pollers(site.app, site.settings)
        pollers._tasks = {1: Dead(), 2: Slow()}  # type: ignore[dict-item]  # stand-ins with what `stop` asks of a task
        await pollers.stop()

    asyncio.run(run())
    assert ended == ["slow"]
    assert "source_ended_badly" in caplog.text


def test_D9_a_line_that_ends_while_it_idles_is_followed_by_another(site: Site) -> None:
    async def run(server: ScriptedImap) -> None:
        site.add("box", "imap", server.port, NAME, every="1h")
        async with site.polling():
            await site.until(lambda: server.sessions >= 2)
            await site.until(lambda: site.show("box").state == "OK")

    with ScriptedImap("BYE while idling") as server:
        asyncio.run(run(server))
    assert site.came().total() == len(MAILS)


def test_D9_a_fault_of_our_own_is_followed_by_a_pause_and_does_not_hammer_the_server(
    site: Site,
) -> None:
    async def run(server: ScriptedImap) -> int:
        site.add("box", "imap", server.port, NAME, every="5s")
        async with site.polling():
            await site.until(lambda: server.sessions >= 1)
            await asyncio.sleep(2)
            return server.sessions

    failpoint.arm("collect.before_store=error")
    try:
        with ScriptedImap("good") as server:
            assert asyncio.run(run(server)) <= 2
    finally:
        failpoint.disarm()


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    if not Dovecot.is_there():
        absent("Dovecot")
    made = Dovecot()
    for user in USERS:
        made.add_user(user, SECRET.replace('"', "").replace("\\", ""))
    made.start()
    yield made
    made.stop()


def test_D9_fifty_idling_sources_get_new_mail_at_once_beside_others_that_fail(
    site: Site, dovecot: Dovecot
) -> None:
    """Each is asked once an hour: what comes in between came by IDLE."""
    new = {user: a_letter(f"new-{user}") for user in USERS}

    async def run(silent: ScriptedImap) -> None:
        site.add("silent", "imap", silent.port, NAME, every="5s")
        for number, user in enumerate(USERS):
            site.add(f"box{number}", "imap", dovecot.imap, user, every="1h")
        async with site.polling():
            await site.until(
                lambda: all(site.show(f"box{n}").state == "OK" for n in range(MANY)),
                "not all begun",
            )
            for user, letter in new.items():
                dovecot.fill(user, [letter])
            await site.until(lambda: set(site.came()) >= digests(*new.values()), "not all came")
        assert site.show("silent").last_ok_at is None

    for user in USERS:
        dovecot.fill(user, [a_letter(f"old-{user}")])
    site.keep_secret(SECRET.replace('"', "").replace("\\", ""))
    with ScriptedImap("silent at login") as silent:
        asyncio.run(run(silent))
    assert site.came().total() == 2 * MANY
