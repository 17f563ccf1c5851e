"""Servers that misbehave: each is done with in time, in bounded memory, with the trouble that an admin is told (T14, T15)."""

from __future__ import annotations

import base64
import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from maild.core.remote import Patience, Trouble
from maild.testing.imap_scripts import SCRIPTS
from maild.testing.scripted_imap import MAILS, NAME, SECRET, TOKEN, ScriptedImap
from tests.doors_imap.round import SHORT, Round, run_round

GOOD = [name for name, script in SCRIPTS.items() if script.step == ""]
BAD = [name for name, script in SCRIPTS.items() if script.step not in {"", "withheld"}]
CALM = Patience(connect=10, sign_in=10, command=10, idle_data=10, whole_fetch=10)
"""For a script that is to be ended by what it says: on a busy machine too, never by the time that it takes."""
GENEROUS_S = 20.0
"""Steps of 0.6 s, of which a script spoils one; the rest is for a busy machine."""
MEMORY_MAX_KIB = 50 * 1024


def brings_silence(name: str) -> bool:
    return SCRIPTS[name].brings is Trouble.TIMED_OUT or name.startswith(("silent", "dripping"))


def peak_kib() -> int:
    """Return the most memory that this process ever had since `forget_peak`."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1])
    raise AssertionError("no VmHWM")


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


@dataclass
class Outcome:
    done: Round
    server: ScriptedImap
    took: float
    grown_kib: int
    folder: Path


Outcomes = Callable[[str], Outcome]


@pytest.fixture(scope="module")
def outcome_of(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """Run each script once, for all that is asked about it."""

    @functools.cache
    def run(name: str) -> Outcome:
        folder = tmp_path_factory.mktemp("spool")
        with ScriptedImap(name) as server:
            forget_peak()
            before, began = peak_kib(), time.monotonic()
            done = run_round(server, folder, SHORT if brings_silence(name) else CALM)
            took, grown = time.monotonic() - began, peak_kib() - before
        return Outcome(done, server, took, grown, folder)

    return run


@pytest.mark.slow
@pytest.mark.parametrize("name", BAD)
def test_T14_a_bad_server_brings_its_trouble_at_its_step(name: str, outcome_of: Outcomes) -> None:
    script, done = SCRIPTS[name], outcome_of(name).done
    assert done.error is not None
    assert (done.step, done.error.trouble) == (script.step, script.brings), done.error


@pytest.mark.slow
@pytest.mark.parametrize("name", BAD)
def test_T14_a_bad_server_is_done_with_in_time(name: str, outcome_of: Outcomes) -> None:
    assert outcome_of(name).took < GENEROUS_S


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_T14_no_server_fills_our_memory(name: str, outcome_of: Outcomes) -> None:
    assert outcome_of(name).grown_kib < MEMORY_MAX_KIB


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_no_server_makes_us_mark_or_expunge_what_we_may_not(
    name: str, outcome_of: Outcomes
) -> None:
    server = outcome_of(name).server
    assert server.may_not == []
    assert 9 in server.mails


@pytest.mark.slow
@pytest.mark.parametrize("name", BAD)
def test_a_spool_that_was_not_finished_is_gone(name: str, outcome_of: Outcomes) -> None:
    run = outcome_of(name)
    came = [raw.spooled for raw in run.done.bodies.values() if raw is not None and raw.spooled]
    assert list(run.folder.iterdir()) == came


@pytest.mark.slow
@pytest.mark.parametrize("name", BAD)
def test_what_a_bad_server_says_is_short_printable_and_without_secrets(
    name: str, outcome_of: Outcomes
) -> None:
    error = outcome_of(name).done.error
    assert error is not None
    assert error.said
    assert error.said.isprintable()
    assert len(error.said) <= 250
    for secret in (SECRET, TOKEN, base64.b64encode(f"\0{NAME}\0{SECRET}".encode()).decode()):
        assert secret[:12] not in error.said


@pytest.mark.slow
@pytest.mark.parametrize("name", GOOD)
def test_a_round_goes_well_in_spite_of_the_script(name: str, outcome_of: Outcomes) -> None:
    done, server = outcome_of(name).done, outcome_of(name).server
    assert done.error is None
    assert done.contents() == dict(MAILS)
    assert done.uids == sorted(MAILS)
    assert server.moved == {7: MAILS[7]}
    assert 9 in server.mails
    assert server.may_not == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "came"),
    [
        ("wrong UID in body", {9}),
        ("NIL body", {9}),
        ("body refused", {9}),
        ("one body refused", {4, 7, 9}),
    ],
)
def test_a_mail_that_the_server_does_not_give_hinders_no_other(
    name: str, came: set[int], outcome_of: Outcomes
) -> None:
    done = outcome_of(name).done
    assert done.error is None
    assert set(done.contents()) == came
    assert set(done.bodies) == set(MAILS)
    assert done.contents()[9] == MAILS[9]


def test_what_is_said_before_TLS_is_forgotten(outcome_of: Outcomes) -> None:
    done = outcome_of("words injected before TLS").done
    assert done.client is not None
    assert "LOGINDISABLED" not in done.client.capabilities


def test_no_password_goes_to_a_server_that_hides_STARTTLS(outcome_of: Outcomes) -> None:
    server = outcome_of("STARTTLS stripped").server
    assert server.commands == ["CAPABILITY"]


def test_no_password_goes_to_a_server_with_LOGINDISABLED(outcome_of: Outcomes) -> None:
    server = outcome_of("LOGINDISABLED").server
    assert server.commands == ["CAPABILITY"]


def test_a_referral_is_not_followed(outcome_of: Outcomes) -> None:
    server = outcome_of("referral").server
    assert server.sessions == 1


def test_without_UIDPLUS_mails_are_marked_and_not_expunged(outcome_of: Outcomes) -> None:
    done, server = (
        outcome_of("good without extensions").done,
        outcome_of("good without extensions").server,
    )
    assert done.deleted is not None
    assert (done.deleted.gone, done.deleted.marked) == (frozenset(), frozenset({4, 5}))
    assert not any("EXPUNGE" in command for command in server.commands)


def test_without_MOVE_a_move_is_a_copy_and_a_mark(outcome_of: Outcomes) -> None:
    done, server = (
        outcome_of("good without extensions").done,
        outcome_of("good without extensions").server,
    )
    assert done.moved == {7: 107}
    assert server.moved == {7: MAILS[7]}
    assert 7 in server.marked


def test_noise_in_FETCH_tells_of_new_mail(outcome_of: Outcomes) -> None:
    done = outcome_of("noise in FETCH").done
    assert done.is_new is True


def test_a_refused_token_is_said_with_its_status(outcome_of: Outcomes) -> None:
    done = outcome_of("refused token").done
    assert done.error is not None
    assert "status 400" in done.error.said
