"""Every fail point, at every door that passes it: dying, failing or waiting there loses nothing and doubles nothing."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from maild import failpoint
from maild.testing.installation import InstallationError
from tests.crash.peers import (
    DECIDED,
    LARGE,
    SMALL,
    Mail,
    Said,
    a_mail,
    an_installation,
    doctor_is_content,
    offer,
    offer_until_stored,
    spool_files,
    verdict,
    wait_until_decided,
)

pytestmark = [pytest.mark.real, pytest.mark.slow]

FULL = bool(os.environ.get("MAILD_TEST_FULL"))
ANSWER_S = 20.0
"""Against hangs only."""
DOORS = ("smtp", "lmtp", "http", "pipe")


def points(*families: str) -> list[str]:
    return [name for name in failpoint.POINTS if name.partition(".")[0] in families]


STORING = points("recipient", "spool", "publish", "acceptor", "accept")
PASSED_BY = {
    "smtp": [*points("door"), *STORING],
    "lmtp": [*points("door"), *STORING],
    "http": [*points("http"), *(point for point in STORING if point != "recipient.looked_up")],
    "pipe": [*points("pipe"), *STORING],
}
DECIDING = points("decide")
STARTING = points("start")
KILLS = [(door, point) for door in DOORS for point in PASSED_BY[door]]
if not FULL:
    # Each point at one of the doors that pass it, by turns: the doors share what lies behind them.
    KILLS = [
        (doors[number % len(doors)], point)
        for number, point in enumerate(dict.fromkeys(point for _, point in KILLS))
        if (doors := [door for door in DOORS if point in PASSED_BY[door]])
    ]
NEEDS_A_FAULT = {"decide.before_release": "decide.before_reading=error@1"}


class Site:
    """One installation for all of these tests, and all mails that were ever offered to it."""

    def __init__(self, folder: Path) -> None:
        self.place = an_installation(folder)
        self.mails: list[Mail] = []
        self.left_by_kills: set[str] = set()
        self.log_start = 0
        self.may_fail = False
        """Whether a mail may have met a fault of ours for good (D11)."""

    def start(self, armed: str = "", *options: str) -> None:
        self.place.kill()
        self.log_start = self.place.log.stat().st_size if self.place.log.exists() else 0
        self.place.environment = {failpoint.VARIABLE: armed} if armed else {}
        try:
            self.place.start(*options)
        finally:
            self.place.environment = {}

    def new_mails(self, door: str, name: str) -> list[Mail]:
        made = [a_mail(door, f"{len(self.mails)}-{name}-{size}", size) for size in (SMALL, LARGE)]
        self.mails += made
        return made

    def said(self) -> str:
        """What the present daemon said."""
        with self.place.log.open(encoding="utf-8") as log:
            log.seek(self.log_start)
            return log.read()

    def assert_sprung(self, point: str, act: str, said: str | None = None) -> None:
        """The point's act has happened, or will soon: a decider has a thread of its own."""
        # The pipe's log has another form than the daemon's.
        line = re.compile(
            rf"failpoint name={re.escape(point)} act={re.escape(act)}(\s|$)", re.MULTILINE
        )
        deadline = time.monotonic() + 30
        while not line.search(self.said() if said is None else said):
            assert said is None, f"{point} was not passed: {said}"
            assert time.monotonic() < deadline, f"{point} was not passed: {self.said()}"
            time.sleep(0.02)

    def wait_for_death(self) -> None:
        assert self.place.process is not None
        assert self.place.process.wait(30) == -9
        self.place.process = None

    def judge(self) -> None:
        states = DECIDED | {"failed"} if self.may_fail else DECIDED
        wait_until_decided(self.place)
        verdict(self.place, self.mails, states)
        assert [mail.key for mail in self.mails if mail.slowest > ANSWER_S] == []
        left = spool_files(self.place) - self.left_by_kills
        assert not left, f"spool files were left: {left}"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Its folder is short, since a unix socket's path must be."""
    folder = Path(tempfile.mkdtemp(prefix="maild-test-", dir="/tmp"))
    made = Site(folder / "m")
    try:
        yield made
        made.start()
        made.judge()
        assert made.place.stop() == 0
    finally:
        made.place.kill()
    doctor_is_content(made.place)
    shutil.rmtree(folder)


def offer_both(site: Site, mails: Sequence[Mail]) -> None:
    """Offer each once; whatever is heard must be true and no refusal for good."""
    for mail in mails:
        said = offer(site.place, mail)
        assert said is not Said.NEVER, f"{mail.key}: {mail.last_words}"
        assert failpoint.SECRET not in mail.last_words


def die_at(site: Site, door: str, point: str, *options: str) -> list[Mail]:
    """Let the daemon die at the point; return the mails that were offered to it."""
    armed = f"{point}=kill"
    if point in NEEDS_A_FAULT:
        armed = f"{NEEDS_A_FAULT[point]};{armed}"
    site.start(armed, *options)
    mails = site.new_mails(door, point)
    before = spool_files(site.place)
    offer_both(site, mails)
    site.wait_for_death()
    site.assert_sprung(point, "kill")
    site.left_by_kills |= spool_files(site.place) - before
    return mails


def die_in_the_pipe_at(site: Site, point: str) -> list[Mail]:
    mails = site.new_mails("pipe", point)
    before = spool_files(site.place)
    site.place.environment = {failpoint.VARIABLE: f"{point}=kill"}
    heard = [offer(site.place, mail) for mail in mails]
    site.place.environment = {}
    assert heard[-1] is Said.NOTHING
    site.assert_sprung(point, "kill", mails[-1].last_words)
    site.left_by_kills |= spool_files(site.place) - before
    return mails


@pytest.mark.parametrize(("door", "point"), KILLS, ids=lambda value: value)
def test_D1_a_kill_at_the_point_loses_nothing_and_doubles_nothing(
    site: Site, door: str, point: str
) -> None:
    if door == "pipe":
        if site.place.process is None:
            site.start()
        mails = die_in_the_pipe_at(site, point)
    else:
        # Whoever decides takes no part in it, and is there for the judgement.
        mails = die_at(site, door, point, "--only", "doors,web")
        site.start()
    for mail in mails:
        offer_until_stored(site.place, mail)
    site.judge()


@pytest.mark.parametrize("point", DECIDING)
def test_D1_a_kill_while_deciding_is_made_good_by_the_next_start(site: Site, point: str) -> None:
    mails = die_at(site, "smtp", point)
    site.start()
    for mail in mails:
        offer_until_stored(site.place, mail)
    site.judge()


@pytest.mark.parametrize("point", STARTING)
def test_a_kill_while_starting_is_made_good_by_the_next_start(site: Site, point: str) -> None:
    # Their death may meet the doors amid the second mail, as every kill may.
    mails = die_at(site, "smtp", "decide.after_claim")
    with suppress(InstallationError):  # The doors may have been open already.
        site.start(f"{point}=kill")
    site.wait_for_death()
    site.assert_sprung(point, "kill")
    site.start()
    for mail in mails:
        offer_until_stored(site.place, mail)
    site.judge()


ACTS = ["error", "error:ENOSPC", "error:EIO", "sleep:0.1"]
FAULTS = [
    (door, act)
    for door in DOORS
    for act in ACTS
    # Each call of the pipe is a start; and what the doors of the daemon share fails alike.
    if FULL or door == "smtp" or act == "error" or (door != "pipe" and act == "sleep:0.1")
]


def through_all(site: Site, door: str, armed: Sequence[str], acts: str) -> None:
    """Offer a large mail and a small one until they are taken, past one point after another."""
    text = ";".join(f"{point}={acts}@1" for point in armed)
    if door == "pipe":
        if site.place.process is None:
            site.start()
        through_the_pipe(site, armed, acts)
        return
    site.start(text)
    for mail in reversed(site.new_mails(door, f"{door}-{acts}")):
        offer_until_stored(site.place, mail)
        assert failpoint.SECRET not in mail.last_words
    for point in armed:
        site.assert_sprung(point, acts)


def through_the_pipe(site: Site, armed: Sequence[str], act: str) -> None:
    """Each call is a process of its own: the N-th one meets the N-th point."""
    mails = site.new_mails("pipe", act)
    large = mails[-1]
    for point in armed:
        site.place.environment = {failpoint.VARIABLE: f"{point}={act}"}
        said = offer(site.place, large)
        site.place.environment = {}
        assert said is (Said.STORED if act.startswith("sleep") else Said.LATER), large.last_words
        assert failpoint.SECRET not in large.last_words
        site.assert_sprung(point, act, large.last_words)
    for mail in mails:
        offer_until_stored(site.place, mail)


@pytest.mark.parametrize(("door", "act"), FAULTS)
def test_a_fault_at_any_point_of_taking_in_is_a_temporary_answer(
    site: Site, door: str, act: str
) -> None:
    groups = [[point] for point in PASSED_BY[door]] if FULL else [PASSED_BY[door]]
    for group in groups:
        through_all(site, door, group, act)
    site.judge()


def test_D11_a_fault_at_any_point_of_deciding_stops_no_other_mail(site: Site) -> None:
    """Each mail meets one fault; a mail whose settling fails is FAILED, for a person to see, and the others go on."""
    site.may_fail = True
    usual = [point for point in DECIDING if point not in NEEDS_A_FAULT]
    for act in ["error", "error:ENOSPC"] if FULL else ["error"]:
        site.start(";".join(f"{point}={act}@1" for point in usual))
        for point in usual:
            for mail in site.new_mails("smtp", f"{point}-{act}"):
                offer_until_stored(site.place, mail)
            site.assert_sprung(point, act)
        site.judge()


@pytest.mark.parametrize("point", NEEDS_A_FAULT)
def test_leases_that_could_not_be_given_back_are_by_the_next_start(site: Site, point: str) -> None:
    site.start(f"{NEEDS_A_FAULT[point]};{point}=error@1")
    for mail in site.new_mails("smtp", point):
        offer_until_stored(site.place, mail)
    site.assert_sprung(point, "error")
    site.start()
    site.judge()


def test_waiting_at_any_point_of_deciding_changes_nothing(site: Site) -> None:
    site.start(";".join(f"{point}=sleep:0.1@1" for point in DECIDING if point not in NEEDS_A_FAULT))
    for mail in site.new_mails("smtp", "slow-deciding"):
        offer_until_stored(site.place, mail)
    site.judge()
    for point in DECIDING:
        if point not in NEEDS_A_FAULT:
            site.assert_sprung(point, "sleep:0.1")


@pytest.mark.parametrize("armed", ["door.nowhere=kill", "door.after_dot=explode"])
def test_a_point_or_an_act_that_does_not_exist_ends_the_start(site: Site, armed: str) -> None:
    site.place.kill()
    site.place.environment = {failpoint.VARIABLE: armed}
    done = site.place.run("serve")
    site.place.environment = {}
    assert done.returncode == 78
    said = done.stderr.decode()
    assert ("door.after_dot" if "nowhere" in armed else "sleep:SECONDS") in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "bind", ["LISTENER__0__BIND=0.0.0.0:2525", "LISTENER__0__BIND=fd:mail", "WEB__BIND=[::]:8025"]
)
def test_a_daemon_that_can_be_reached_from_outside_starts_with_no_fail_point(
    site: Site, bind: str
) -> None:
    site.place.kill()
    name, _, value = bind.partition("=")
    site.place.environment = {failpoint.VARIABLE: "door.after_dot=kill", f"MAILD_{name}": value}
    done = site.place.run("serve")
    site.place.environment = {}
    assert done.returncode == 78
    assert failpoint.VARIABLE in done.stderr.decode()
    assert value.partition(":")[0] in done.stderr.decode()
