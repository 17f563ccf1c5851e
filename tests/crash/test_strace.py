"""Dying at every system call that changes what survives, and such a call failing: nothing lost, no refusal for good."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from maild import failpoint
from maild.model.reason import EX_TEMPFAIL
from tests.crash.peers import (
    LARGE,
    SMALL,
    Mail,
    Said,
    a_mail,
    an_installation,
    deliver_command,
    doctor_is_content,
    offer,
    offer_until_stored,
    run_with_mail,
    said_by,
    spool_files,
    undecided,
    verdict,
    wait_until_decided,
)
from tests.crash.strace import (
    DURABLE,
    Tracer,
    counted,
    injected,
    is_dead,
    kills,
    need_strace,
    only,
    rule,
)

pytestmark = [pytest.mark.real, pytest.mark.slow]

FULL = bool(os.environ.get("MAILD_TEST_FULL"))
ANSWER_S = 10.0
"""Within which a peer is answered, whatever fails."""
MAILS = 6
SAMPLE = 2
"""How many of the passings of one call are tried without MAILD_TEST_FULL, where the process is killed."""
FAULT_SAMPLE = 1
"""The same where the call fails."""
PIPE_SAMPLE = 2
"""The same for the pipe, where each is a start."""


def spread(count: int, most: int = SAMPLE) -> list[int]:
    """Passings to try: all, or some from the first to the last."""
    if FULL or count <= most:
        return list(range(1, count + 1))
    if most == 1:
        return [1 + count // 2]
    return sorted({1 + round(step * (count - 1) / (most - 1)) for step in range(most)})


class Bench:
    """One installation, its daemon's doors under strace, and all mails that were ever offered."""

    def __init__(self, folder: Path) -> None:
        self.place = an_installation(folder)
        self.mails: list[Mail] = []
        self.log = folder / "strace.log"
        self.points = 0

    def load(self, name: str) -> list[Mail]:
        made = [
            a_mail(
                ("smtp", "lmtp", "http")[n // 2 % 3],
                f"{len(self.mails)}-{n}-{name}",
                (SMALL, LARGE)[n % 2],
            )
            for n in range(MAILS)
        ]
        self.mails += made
        return made

    def is_alive(self) -> bool:
        return self.place.process is not None and not is_dead(self.place.process.pid)

    def open_doors(self) -> None:
        """Make sure of doors that take mail: what one kill left may still be on its way back."""
        if not self.is_alive():
            self.open_fresh_doors()
        probe = a_mail("smtp", f"{len(self.mails)}-probe", SMALL)
        self.mails.append(probe)
        offer_until_stored(self.place, probe)

    def open_fresh_doors(self) -> None:
        """Begin as `count` does, so that the N-th call is the N-th of a start."""
        self.place.kill()
        self.place.start("--only", "doors,web")

    def trace(self, options: Sequence[str]) -> Tracer:
        assert self.place.process is not None
        return Tracer(self.place.process.pid, options, self.log)

    def offer_all(self, mails: Sequence[Mail]) -> None:
        """Offer each once, while anybody answers."""
        for mail in mails:
            if not self.is_alive():
                return
            said = offer(self.place, mail)
            assert said is not Said.NEVER, f"{mail.key}: {mail.last_words}"
            assert mail.slowest < ANSWER_S, f"{mail.key} waited {mail.slowest:.1f} s"

    def count(self) -> dict[str, int]:
        """How often a load makes each call at least: three times, each after a start, as every kill has one before it."""
        least: dict[str, int] = {}
        for _ in range(3):
            self.open_fresh_doors()
            with self.trace(only(DURABLE)):
                self.offer_all(self.load("count"))
            found = counted(self.log)
            least = {call: min(count, least.get(call, count)) for call, count in found.items()}
        return least

    def close(self) -> None:
        """Offer what nobody took, let everything be decided, and judge."""
        self.place.kill()
        self.place.start()
        for mail in self.mails:
            offer_until_stored(self.place, mail)
        wait_until_decided(self.place, 300)
        assert self.place.stop() == 0
        verdict(self.place, self.mails)
        doctor_is_content(self.place)


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    need_strace()
    folder = Path(tempfile.mkdtemp(prefix="maild-test-", dir="/tmp"))
    made = Bench(folder / "m")
    try:
        yield made
        # Every mail is judged once more; those that met a failing call, for the first time.
        made.close()
    finally:
        made.place.kill()
    shutil.rmtree(folder)


def test_D1_a_kill_at_any_durable_call_of_the_doors_loses_nothing(bench: Bench) -> None:
    """Whichever of the doors' processes makes the call: the doors themselves, or the acceptor, which then comes back."""
    counts = bench.count()
    assert {"pwrite64", "fdatasync", "fsync"} <= set(counts), counts
    points = met = 0
    for call, count in sorted(counts.items()):
        for when in spread(count):
            points += 1
            # The N-th call is of whichever thread gets there, and a busy machine shares the work out differently.
            for attempt in range(3):
                bench.open_fresh_doors()
                with bench.trace(rule(call, "signal=KILL", str(when))):
                    bench.offer_all(bench.load(f"{call}-{when}-{attempt}"))
                if kills(bench.log) > 0:
                    met += 1
                    break
    print(f"doors: calls={counts} points={points} met={met}")
    assert met >= points * 0.8, f"only {met} of {points} points were met"
    bench.close()


FAULTS = [
    ("pwrite64", "ENOSPC"),
    ("pwrite64", "EIO"),
    ("fdatasync", "EIO"),
    ("fsync", "EIO"),
    ("fsync", "ENOSPC"),
    ("link", "ENOSPC"),
    ("link", "EIO"),
    ("unlink", "EIO"),
    ("openat", "EMFILE"),
    ("openat", "ENFILE"),
    ("openat", "ENOMEM"),
    ("pwrite64", "ENOMEM"),
    ("mmap", "ENOMEM"),
    ("accept4", "EMFILE"),
    ("mkdir", "ENOSPC"),
]


@pytest.mark.parametrize(("call", "error"), FAULTS)
def test_D2_a_failing_call_of_the_doors_is_a_temporary_answer_and_heals(
    bench: Bench, call: str, error: str
) -> None:
    """The N-th call fails, or all from the N-th on; as soon as it works again, so does the daemon, without a restart."""
    bench.open_doors()
    before = spool_files(bench.place)
    with bench.trace(only([call])):
        bench.offer_all(bench.load(f"{call}-count"))
    count = counted(bench.log)[call]
    struck = 0
    whens = [str(when) for when in spread(count, FAULT_SAMPLE)]
    # From some point on it fails for as long as we look; whom nobody can accept waits, and that is all he can do.
    if call != "accept4":
        whens += [f"{when}+" for when in (spread(count) if FULL else [1] if count else [])]
    for when in whens:
        bench.open_doors()
        mails = bench.load(f"{call}-{error}-{when}")
        with bench.trace(rule(call, f"error={error}", when)):
            bench.offer_all(mails)
        struck += injected(bench.log)
        assert bench.is_alive(), f"{call} {error} at {when} ended the daemon"
        began = time.monotonic()
        for mail in mails:
            offer_until_stored(bench.place, mail)
        assert time.monotonic() - began < 2 * ANSWER_S
    print(f"doors: call={call} error={error} count={count} points={len(whens)} failed={struck}")
    assert struck >= len(whens) / 2, f"only {struck} calls failed"
    left = spool_files(bench.place) - before
    assert not left or call == "unlink", f"spool files were left: {left}"


# The workers, beside doors that nobody watches.


class Workers:
    """Workers in a process of their own, which wait a moment before their first commit, so that strace is there."""

    def __init__(self, bench: Bench) -> None:
        """Nothing else waits to be decided: what these decide is counted, call by call."""
        self._bench = bench
        if undecided(bench.place):
            bench.close()
        self.place = replace(bench.place, process=None)
        self.place.environment = {failpoint.VARIABLE: "decide.before_claim_commit=sleep:0.5@1"}

    def decide(
        self, mails: Sequence[Mail], options: Sequence[str], *, until_struck: bool = False
    ) -> bool:
        """Let them decide what the doors have taken, under strace; return whether they lived or ended by themselves.

        `until_struck` ends it when a call has failed: what they then put off is due ten seconds later.
        """
        self._bench.open_doors()
        self._bench.offer_all(mails)
        self.place.start("--only", "workers")
        assert self.place.process is not None
        pid = self.place.process.pid
        try:
            with Tracer(pid, options, self._bench.log):
                deadline = time.monotonic() + 30
                while not is_dead(pid) and undecided(self.place):
                    if until_struck and injected(self._bench.log):
                        time.sleep(0.2)
                        break
                    assert time.monotonic() < deadline, f"{options}: nothing is decided"
                    time.sleep(0.02)
            return not is_dead(pid) or self.place.process.wait(10) == EX_TEMPFAIL
        finally:
            self.place.kill()


def test_D1_a_kill_at_any_durable_call_of_deciding_loses_nothing(bench: Bench) -> None:
    workers = Workers(bench)
    workers.decide(bench.load("deciding-count"), only(DURABLE))
    counts = counted(bench.log)
    assert {"pwrite64", "fdatasync"} <= set(counts), counts
    points = kills = 0
    for call, count in sorted(counts.items()):
        for when in spread(count):
            options = rule(call, "signal=KILL", str(when))
            kills += not workers.decide(bench.load(f"deciding-{call}-{when}"), options)
            points += 1
    print(f"workers: calls={dict(counts)} points={points} kills={kills}")
    assert kills >= points * 0.6, f"only {kills} of {points} points were met"
    bench.close()


@pytest.mark.parametrize(
    ("call", "error"),
    [("fdatasync", "EIO"), *([("pwrite64", "ENOSPC"), ("pwrite64", "EIO")] if FULL else [])],
)
def test_D11_a_failing_call_of_deciding_is_made_good(bench: Bench, call: str, error: str) -> None:
    """They end when the disk fails under the database, to open it anew; the doors would start them again."""
    workers = Workers(bench)
    workers.decide(bench.load("deciding-count"), only([call]))
    count = counted(bench.log)[call]
    for when in spread(count, FAULT_SAMPLE):
        mails = bench.load(f"deciding-{call}-{error}-{when}")
        assert workers.decide(mails, rule(call, f"error={error}", str(when)), until_struck=True)
    # And once to the end.
    assert workers.decide(bench.load("deciding-last"), rule(call, f"error={error}", "1"))
    bench.close()


# The pipe is one process for one mail.

PIPE_CALLS = (*DURABLE, "write")
# Without --seccomp-bpf, under which strace injects nothing.
STRACE = ("strace", "-f", "-o")


def pipe_counts(bench: Bench, mail: Mail, calls: Sequence[str]) -> dict[str, int]:
    done = run_with_mail(
        [*STRACE, str(bench.log), *only(calls), *deliver_command(bench.place)], mail
    )
    assert done.returncode == 0, done.stderr
    mail.answered = True
    return dict(counted(bench.log))


def pipe_under(bench: Bench, mail: Mail, options: Sequence[str]) -> Said:
    began = time.monotonic()
    done = run_with_mail([*STRACE, str(bench.log), *options, *deliver_command(bench.place)], mail)
    said = said_by(done.returncode)
    assert said is not Said.NEVER, f"{options}: {done.returncode} {done.stderr.decode()}"
    assert time.monotonic() - began < ANSWER_S
    mail.answered = said is Said.STORED
    return said


def pipe_mail(bench: Bench, name: str, size: int) -> Mail:
    mail = a_mail("pipe", f"{len(bench.mails)}-{name}", size)
    bench.mails.append(mail)
    return mail


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_D1_a_kill_at_any_durable_call_of_the_pipe_loses_nothing(bench: Bench, size: int) -> None:
    counts = pipe_counts(bench, pipe_mail(bench, f"pipe-{size}", size), PIPE_CALLS)
    points = kills = 0
    for call, count in sorted(counts.items()):
        for when in spread(count, PIPE_SAMPLE):
            mail = pipe_mail(bench, f"pipe-{call}-{when}", size)
            heard = pipe_under(bench, mail, rule(call, "signal=KILL", str(when)))
            points += 1
            kills += heard is Said.NOTHING
    print(f"pipe: size={size} calls={counts} points={points} kills={kills}")
    assert kills >= points * 0.8
    bench.close()


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("pwrite64", "ENOSPC"),
        ("pwrite64", "EIO"),
        ("fdatasync", "EIO"),
        ("fsync", "EIO"),
        ("link", "ENOSPC"),
        ("write", "ENOSPC"),
        ("write", "EIO"),
        ("unlink", "EIO"),
    ],
)
def test_D2_a_failing_call_of_the_pipe_is_exit_75_or_none_at_all(
    bench: Bench, call: str, error: str
) -> None:
    counts = pipe_counts(bench, pipe_mail(bench, f"pipe-{call}-{error}", LARGE), [call])
    whens = [str(when) for when in spread(counts.get(call, 0), FAULT_SAMPLE)]
    for when in [*whens, "1+"]:
        mail = pipe_mail(bench, f"pipe-{call}-{error}-{when}", LARGE)
        pipe_under(bench, mail, rule(call, f"error={error}", when))
    print(f"pipe: call={call} error={error} count={counts} points={len(whens) + 1}")


def test_D2_a_pipe_that_cannot_open_files_while_it_starts_is_exit_75(bench: Bench) -> None:
    """Once Python itself is up; before that nobody of ours can speak."""
    mail = pipe_mail(bench, "pipe-openat", SMALL)
    done = run_with_mail(
        [*STRACE, str(bench.log), *only(["openat"]), *deliver_command(bench.place)],
        mail,
    )
    assert done.returncode == 0
    mail.answered = True
    opened = [line for line in bench.log.read_text().splitlines() if "openat(" in line]
    begins = next(n for n, line in enumerate(opened) if "maild/faces/cli/__pycache__/main." in line)
    for when in (begins + 1 + step for step in spread(len(opened) - begins - 1, PIPE_SAMPLE)):
        for onwards in ("", "+"):
            mail = pipe_mail(bench, f"pipe-openat-{when}{onwards}", SMALL)
            pipe_under(bench, mail, rule("openat", "error=EMFILE", f"{when}{onwards}"))
