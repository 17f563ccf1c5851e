"""The worker between outbox and relay: each mail once, in spite of relays, databases and colleagues that fail."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from maild.core import outbox as core_outbox
from maild.core.app import App
from maild.core.outbox import note_fate
from maild.daemon import outbox as daemon_outbox
from maild.daemon.outbox import OutboxWorker, probe_relay
from maild.model.errand import ErrandState, Later
from maild.plugs.relay import RelayError
from maild.settings import Settings
from tests.outbox.conftest import Frozen
from tests.outbox.post import a_notice, queue, queue_many, state, take, the_errand
from tests.outbox.relay_server import CUT, SILENCE, RelayServer


def settings(server: RelayServer, **relay: Any) -> Settings:
    facts = {"host": "127.0.0.1", "port": server.port, "tls": "none", "timeout": "5s", **relay}
    return Settings.model_validate({"hostname": "mail.acme.example", "relay": facts})


def work(app: App, server: RelayServer, **relay: Any) -> bool:
    return asyncio.run(OutboxWorker(app, settings(server, **relay)).work())


def test_what_is_due_goes_once_and_is_done(app: App, relay: RelayServer) -> None:
    queue_many(app, 3)
    assert work(app, relay)
    assert not work(app, relay)
    assert [recipient for _, recipient, _ in relay.mails] == [
        f"u{number}@world.example" for number in range(3)
    ]
    assert {state(app, f"k{number}") for number in range(3)} == {ErrandState.DONE}
    assert relay.sessions == 1


def test_two_workers_send_nothing_twice(app: App, relay: RelayServer) -> None:
    queue_many(app, 60)

    async def both() -> None:
        async def one() -> None:
            worker = OutboxWorker(app, settings(relay))
            while await worker.work():
                pass

        await asyncio.gather(one(), one())

    asyncio.run(both())
    recipients = [recipient for _, recipient, _ in relay.mails]
    assert sorted(recipients) == sorted(f"u{number}@world.example" for number in range(60))
    assert relay.sessions >= 2


def test_a_mail_that_is_refused_stops_no_other_one(one_app: App, relay: RelayServer) -> None:
    queue_many(one_app, 3)
    said = {"u0": "450 4.2.1 later", "u1": "550 5.1.1 no such user"}
    relay.decide = lambda step, line: (
        next((said[name] for name in said if name in line), None) if step == "rcpt" else None
    )
    work(one_app, relay)
    assert [state(one_app, f"k{number}") for number in range(3)] == ["waiting", "dead", "done"]
    assert "no such user" in str(the_errand(one_app, "k1").last_error)


def test_while_the_relay_is_away_nothing_counts_as_a_try_and_the_operator_reads_why(
    one_app: App,
) -> None:
    queue_many(one_app, 2)
    away = RelayServer()
    away.close()
    with pytest.raises(RelayError):
        work(one_app, away)
    for number in range(2):
        errand = the_errand(one_app, f"k{number}")
        assert (errand.attempts, errand.due_at) == (0, one_app.clock())
        assert str(away.port) in str(errand.last_error)


@pytest.mark.parametrize("act", [CUT, SILENCE])
def test_a_mail_whose_fate_the_relay_does_not_tell_is_repeated_octet_by_octet(
    app: App, relay: RelayServer, clock: Frozen, act: str
) -> None:
    queue(app)
    relay.replies["dot"] = act
    with pytest.raises(RelayError):
        work(app, relay, data_timeout="300ms")
    found = the_errand(app)
    assert (found.state, found.attempts) == (ErrandState.WAITING, 1)
    del relay.replies["dot"]
    assert found.due_at is not None
    clock.now = found.due_at
    assert work(app, relay)
    assert len(relay.mails) == 2
    assert relay.mails[0] == relay.mails[1]
    assert b"Message-ID: <" in relay.mails[0][2]


def test_what_stood_behind_a_mail_that_ended_the_session_goes_next(
    one_app: App, relay: RelayServer
) -> None:
    queue_many(one_app, 3)
    relay.decide = lambda step, line: CUT if step == "rcpt" and "u0" in line else None
    with pytest.raises(RelayError):
        work(one_app, relay)
    assert [the_errand(one_app, f"k{number}").attempts for number in range(3)] == [1, 0, 0]
    assert work(one_app, relay)
    assert [state(one_app, f"k{number}") for number in range(3)] == ["waiting", "done", "done"]


def test_an_errand_that_nobody_can_write_is_dead_and_the_others_go(
    one_app: App, relay: RelayServer
) -> None:
    from maild.model.errand import GIVE_UP_AFTER, Topic

    with one_app.store.write() as tx:
        now = one_app.clock()
        tx.outbox.add(
            ulid=one_app.ids(),
            key="bad",
            topic=Topic.MAIL,
            account_id=None,
            payload={"to": "eva@world.example\r\nDATA"},
            now=now,
            give_up_at=now + GIVE_UP_AFTER,
        )
    queue(one_app, "good")
    work(one_app, relay)
    assert (state(one_app, "bad"), state(one_app, "good")) == ("dead", "done")
    assert len(relay.mails) == 1


def test_without_a_key_nothing_goes_since_it_would_not_be_known_again(
    one_app: App, relay: RelayServer
) -> None:
    queue(one_app)
    with pytest.raises(RelayError, match="secret_key"):
        work(replace(one_app, key=None), relay)
    assert relay.sessions == 0
    assert the_errand(one_app).attempts == 0


def test_probing_signs_in_and_sends_nothing(one_app: App, relay: RelayServer) -> None:
    queue(one_app)
    who = asyncio.run(probe_relay(settings(relay), one_app))
    assert who == "maild@mail.acme.example"
    assert [line.split()[0] for line in relay.lines] == ["EHLO", "QUIT"]


def test_mails_are_from_whom_the_settings_say(one_app: App, relay: RelayServer) -> None:
    queue(one_app)
    work(one_app, relay, from_address="crm@acme.example", from_name="Acme, Inc.")
    assert b'From: "Acme, Inc." <crm@acme.example>\r\n' in relay.mails[0][2]


def test_at_the_end_the_mail_in_hand_is_finished_and_the_others_are_given_back(
    one_app: App, relay: RelayServer
) -> None:
    queue_many(one_app, 2)
    heard, answer = threading.Event(), threading.Event()

    def wait_at_the_dot(step: str, line: str) -> None:
        if step == "dot":
            heard.set()
            answer.wait(20)

    relay.decide = wait_at_the_dot

    async def act() -> None:
        worker = OutboxWorker(one_app, settings(relay, data_timeout="30s"))
        worker.start()
        await worker.wake()
        assert await asyncio.to_thread(heard.wait, 20)
        stopping = asyncio.ensure_future(worker.stop())
        await asyncio.sleep(0.1)
        answer.set()
        await stopping

    asyncio.run(act())
    assert [state(one_app, f"k{number}") for number in range(2)] == ["done", "waiting"]
    assert the_errand(one_app, "k1").attempts == 0
    assert len(relay.mails) == 1


def test_a_relay_that_comes_back_gets_what_waited(one_app: App, relay: RelayServer) -> None:
    queue(one_app)
    relay.replies["greeting"] = "421 4.3.2 not yet"

    async def act(monkey: pytest.MonkeyPatch) -> None:
        monkey.setattr(daemon_outbox, "FIRST_REST_S", 0.1)
        worker = OutboxWorker(one_app, settings(relay))
        worker.start()
        while relay.sessions < 2:
            await worker.wake()
            await asyncio.sleep(0.02)
        del relay.replies["greeting"]
        while not relay.mails:
            await worker.wake()
            await asyncio.sleep(0.02)
        await worker.stop()

    with pytest.MonkeyPatch.context() as monkey:
        asyncio.run(asyncio.wait_for(act(monkey), 30))
    assert state(one_app) is ErrandState.DONE


@pytest.mark.slow
def test_a_database_that_is_away_for_a_moment_makes_no_mail_go_twice(
    one_app: App, relay: RelayServer, tmp_path: Path
) -> None:
    queue(one_app)
    other = sqlite3.connect(tmp_path / "maild.db", isolation_level=None, check_same_thread=False)

    def lock_at_the_dot(step: str, line: str) -> None:
        if step == "dot":
            other.execute("BEGIN IMMEDIATE")
            # Longer than the busy timeout, so that one try at least fails.
            threading.Timer(6.5, lambda: other.execute("ROLLBACK")).start()

    relay.decide = lock_at_the_dot
    assert work(one_app, relay, data_timeout="30s")
    other.close()
    assert state(one_app) is ErrandState.DONE
    assert len(relay.mails) == 1


def test_what_takes_longer_than_a_lease_is_kept_from_the_others(
    app: App, relay: RelayServer, clock: Frozen, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = timedelta(seconds=0.4)
    monkeypatch.setattr(core_outbox, "LEASE", lease)
    monkeypatch.setattr(daemon_outbox, "LEASE", lease)
    queue(app)
    taken_meanwhile: list[int] = []

    def look_at_the_dot(step: str, line: str) -> None:
        if step == "dot":
            # Time goes on by half a lease whenever the lease was renewed, however long that takes.
            for _ in range(6):
                clock.advance(lease / 2)
                for _ in range(500):
                    if the_errand(app).due_at == clock.now + lease:
                        break
                    threading.Event().wait(0.02)
                taken_meanwhile.append(len(take(app).errands))

    relay.decide = look_at_the_dot
    assert work(app, relay, data_timeout="30s")
    assert taken_meanwhile == [0] * 6
    assert state(app) is ErrandState.DONE


def test_a_worker_whose_lease_went_to_another_stops_sending(
    one_app: App, relay: RelayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = timedelta(seconds=0.2)
    monkeypatch.setattr(daemon_outbox, "LEASE", lease)
    queue_many(one_app, 2)

    def steal_at_the_first(step: str, line: str) -> None:
        if step == "mail" and not relay.mails:
            with one_app.store.write() as tx:
                tx.outbox.release(now=one_app.clock())
            other = take(one_app)
            for errand in other.errands:
                note_fate(one_app, other, errand, Later("it is mine"))
            relay.gone.wait(5)

    relay.decide = steal_at_the_first
    assert not work(one_app, relay)
    assert relay.mails == []
    assert {the_errand(one_app, key).last_error for key in ("k0", "k1")} == {"it is mine"}


def test_a_notice_to_somebody_says_nothing_of_it_in_the_log(
    one_app: App, relay: RelayServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "maild")
    queue(one_app, notice=a_notice(subject="about", text="the secret link"))
    relay.replies["rcpt"] = "550 5.1.1 <eva@world.example> is nobody"
    work(one_app, relay)
    ours = "\n".join(one.getMessage() for one in caplog.records if one.name.startswith("maild"))
    assert the_errand(one_app).ulid in ours
    for word in ("secret", "eva@", "about"):
        assert word not in ours
