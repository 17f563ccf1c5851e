"""Fail points: off they are nothing, on they do what they were told, and the list of them is the truth."""

from __future__ import annotations

import ast
import errno
import logging
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import maild
from maild import failpoint
from maild.config import ConfigError
from maild.daemon.arming import arm_failpoints
from maild.settings import Settings

POINT = "accept.before_commit"


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    failpoint.disarm()


def names_in_the_code() -> Counter[str]:
    """Every name that `reached` is called with, and how often."""
    found: Counter[str] = Counter()
    for file in Path(maild.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("failpoint.reached"):
                found[str(ast.literal_eval(node.args[0]))] += 1
    return found


def test_every_point_stands_at_exactly_one_place_and_no_other_name_is_used() -> None:
    assert names_in_the_code() == dict.fromkeys(failpoint.POINTS, 1)


def test_every_point_says_what_has_and_what_has_not_happened() -> None:
    assert all(text.endswith(".") and len(text) > 30 for text in failpoint.POINTS.values())
    assert len(set(failpoint.POINTS.values())) == len(failpoint.POINTS)


def test_off_nothing_is_looked_up() -> None:
    assert not failpoint.is_armed()
    failpoint.reached("no such point")


def test_armed_elsewhere_a_point_is_passed(caplog: pytest.LogCaptureFixture) -> None:
    failpoint.arm("door.after_dot=error")
    caplog.clear()
    failpoint.reached(POINT)
    assert caplog.messages == []


@pytest.mark.parametrize("name", ["ENOSPC", "EIO", "EMFILE"])
def test_an_error_with_a_number_is_that_error_of_the_system(name: str) -> None:
    failpoint.arm(f"{POINT}=error:{name}")
    with pytest.raises(OSError, match=r".") as caught:
        failpoint.reached(POINT)
    assert caught.value.errno == getattr(errno, name)


def test_an_error_without_a_number_is_one_that_nobody_foresaw() -> None:
    failpoint.arm(f"{POINT}=error")
    with pytest.raises(RuntimeError, match=failpoint.SECRET):
        failpoint.reached(POINT)


@pytest.mark.parametrize(
    ("when", "fails"),
    [("", [1, 2, 3, 4]), ("@2", [2]), ("@3+", [3, 4])],
)
def test_an_act_can_wait_for_its_passing(when: str, fails: list[int]) -> None:
    failpoint.arm(f"{POINT}=error{when}")
    failed = []
    for passing in (1, 2, 3, 4):
        try:
            failpoint.reached(POINT)
        except RuntimeError:
            failed.append(passing)
    assert failed == fails


def test_a_sleep_goes_on_afterwards_and_is_told(caplog: pytest.LogCaptureFixture) -> None:
    failpoint.arm(f"{POINT}=sleep:0.01")
    failpoint.reached(POINT)
    assert caplog.messages[-1] == f"failpoint name={POINT} act=sleep:0.01"
    assert caplog.records[-1].levelno == logging.WARNING


def test_a_kill_is_told_and_is_a_kill() -> None:
    code = (
        f"from maild import failpoint; failpoint.arm('{POINT}=kill'); failpoint.reached('{POINT}')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -9
    assert f"failpoint name={POINT} act=kill" in done.stderr


def test_several_points_are_armed_at_once_and_arming_again_replaces_them() -> None:
    failpoint.arm(f"{POINT}=error; door.after_dot=error")
    failpoint.arm("door.after_dot=error")
    failpoint.reached(POINT)
    with pytest.raises(RuntimeError):
        failpoint.reached("door.after_dot")


@pytest.mark.parametrize(
    "text", ["nowhere=kill", POINT, f"{POINT}=", f"{POINT}=die", f"{POINT}=error:EWHAT",
             f"{POINT}=kill@0", f"{POINT}=sleep", f"{POINT}=sleep:-1"],
)  # fmt: skip
def test_what_does_not_exist_is_refused_and_arms_nothing(text: str) -> None:
    with pytest.raises(failpoint.FailpointError):
        failpoint.arm(f"door.after_dot=error;{text}")
    assert not failpoint.is_armed()


@pytest.mark.parametrize(
    ("bind", "may"),
    [
        ("127.0.0.1:2999", True),
        ("[::1]:2999", True),
        ("localhost:2999", True),
        ("unix:/run/maild.sock", True),
        ("0.0.0.0:2999", False),
        ("[::]:2999", False),
        ("192.0.2.1:2999", False),
        ("fd:smtp", False),
    ],
)
@pytest.mark.parametrize("section", ["listener", "web", "metrics"])
def test_nothing_is_armed_where_a_stranger_can_reach_a_door(
    section: str, bind: str, may: bool
) -> None:
    value = [{"bind": bind}] if section == "listener" else {"bind": bind}
    settings = Settings.model_validate({section: value})
    environment = {failpoint.VARIABLE: f"{POINT}=error"}
    if may:
        arm_failpoints(settings, environment)
    else:
        with pytest.raises(ConfigError, match=failpoint.VARIABLE):
            arm_failpoints(settings, environment)
    assert failpoint.is_armed() is may


def test_without_the_variable_every_door_may_be_open() -> None:
    settings = Settings.model_validate({"listener": [{"bind": "0.0.0.0:25"}]})
    arm_failpoints(settings, {failpoint.VARIABLE: ""})
    arm_failpoints(settings, {})
    assert not failpoint.is_armed()
