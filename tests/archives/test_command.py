"""`maild import` as an operator uses it, and as a kill finds it (D13)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from maild import failpoint
from maild.__main__ import run_here
from maild.testing.installation import Installation, InstallationError, a_small_company
from tests.conftest import UrlOf

MAILS = 450
INFO = ("--inbox", "info@acme.example")


def old_mail(number: int, end: str = "\n") -> str:
    lines = [
        "From: anna@rossi.example",
        "To: info@acme.example",
        f"Subject: Old {number}",
        "Date: Tue, 03 Nov 2020 10:00:00 +0000",
        f"Message-ID: <old-{number}@rossi.example>",
        "",
        f"Number {number}",
        "",
    ]
    return end.join(lines)


def an_mbox(path: Path, mails: int = MAILS) -> Path:
    stamp = "From anna@rossi.example Tue Nov  3 10:00:00 2020\n"
    path.write_text("".join(f"{stamp}{old_mail(number)}\n" for number in range(mails)))
    return path


@pytest.fixture
def install(tmp_path: Path, url_of: UrlOf) -> Callable[[str], Installation]:
    def made(kind: str) -> Installation:
        database = "sqlite:///maild.db" if kind == "sqlite" else url_of(kind)
        place = Installation(tmp_path / "m", database=database, runs=run_here)
        place.make()
        a_small_company(place)
        return place

    return made


@pytest.fixture
def place(install: Callable[[str], Installation]) -> Installation:
    return install("sqlite")


def imported(place: Installation, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = place.here("import", *words, *INFO)
    return found


def mails_of(place: Installation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = place.here("mail", "list", "--limit", "1000")
    return found


@pytest.mark.parametrize(
    ("kind", "points"),
    [
        (
            "sqlite",
            (
                "accept.before_commit=kill@1",
                "import.after_store=kill@2",
                "decide.before_settle_commit=kill@1",
                "decide.after_settle_commit=kill@1",
            ),
        ),
        pytest.param("postgresql", ("accept.after_commit=kill@2",), marks=pytest.mark.postgres),
    ],
)
def test_D13_killed_again_and_again_it_ends_with_each_mail_once(
    kind: str, points: tuple[str, ...], install: Callable[[str], Installation], tmp_path: Path
) -> None:
    place = install(kind)
    box = str(an_mbox(tmp_path / "old.mbox"))
    for point in points:
        place.environment = {failpoint.VARIABLE: point}
        assert place.run("import", box, *INFO).returncode == -signal.SIGKILL, point
    place.environment = {}
    last = imported(place, box)
    assert (last["new"] + last["known"], last["failed"], last["complete"]) == (MAILS, 0, True)
    subjects = [mail["subject"] or mail["message_id"] for mail in mails_of(place)]
    assert len(subjects) == len(set(subjects)) == MAILS
    again = imported(place, box)
    assert (again["new"], again["known"]) == (0, MAILS)
    assert len(mails_of(place)) == MAILS
    assert place.here("doctor")["broken"] == []


def test_D13_maildirs_folders_and_their_marks(place: Installation, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for folder in (
        "Mail/cur",
        "Mail/new",
        "Mail/tmp",
        "Mail/.Sub/cur",
        "Mail/.Sub/new",
        "eml/deep",
    ):
        (tree / folder).mkdir(parents=True)
    (tree / "Mail/cur/1604397600.a:2,S").write_text(old_mail(1))
    (tree / "Mail/cur/1604397600.b:2,").write_text(old_mail(2))
    (tree / "Mail/cur/1604397600.c:2,ST").write_text(old_mail(3))
    (tree / "Mail/new/1604397600.d").write_text(old_mail(4))
    (tree / "Mail/tmp/1604397600.e").write_text(old_mail(5))
    (tree / "Mail/.Sub/cur/1604397600.f:2,S").write_text(old_mail(6))
    (tree / "eml/deep/x.EML").write_text(old_mail(7, "\r\n"))
    (tree / "eml/notes.txt").write_text("Dear: reader\n\nno mail\n")
    (tree / "eml/link.eml").symlink_to("/etc/passwd")
    an_mbox(tree / "eml/Inbox", 1)
    found = imported(place, str(tree), "--unread")
    assert (found["new"], found["failed"]) == (6, 0)
    unread = {mail["subject"]: mail["unread"] for mail in mails_of(place)}
    assert unread == {
        "Old 0": True,
        "Old 1": False,
        "Old 2": True,
        "Old 4": True,
        "Old 6": False,
        "Old 7": True,
    }


def test_D13_a_dry_run_counts_and_stores_nothing(place: Installation, tmp_path: Path) -> None:
    box = an_mbox(tmp_path / "old.mbox", 3)
    found = imported(place, str(box), "--dry-run")
    assert found["files"] == [
        {"file": str(box), "new": 3, "known": 0, "erased": 0, "older": 0, "broken": 0, "failed": 0}
    ]
    assert mails_of(place) == []
    assert imported(place, str(box), "--since", "2020-11-04")["older"] == 3
    some = imported(place, str(box), "--limit", "100")
    assert (some["new"], some["complete"]) == (3, True)


def test_D13_ctrl_c_ends_after_the_batch_and_says_how_to_go_on(
    place: Installation, tmp_path: Path
) -> None:
    box = an_mbox(tmp_path / "old.mbox")
    run = subprocess.Popen(
        [sys.executable, "-m", "maild", "import", str(box), *INFO, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={
            **os.environ,
            "MAILD_CONFIG": str(place.config),
            failpoint.VARIABLE: "import.after_store=sleep:5@1",
        },
    )
    while not mails_of(place):
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate()
    assert run.returncode == 0
    told = json.loads(out)
    assert (told["complete"], told["new"]) == (False, 100)
    assert f"To go on: maild import {box} --inbox info@acme.example" in err.decode()
    assert {mail["state"] for mail in mails_of(place)} == {"filed"}


def test_D13_what_holds_no_mail_is_refused_in_a_sentence(
    place: Installation, tmp_path: Path
) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    for path, said in (
        (tmp_path / "photo.jpg", "is no file of mail"),
        (tmp_path / "no", "No such"),
    ):
        with pytest.raises(InstallationError, match=rf"exit 1: .*{said}"):
            imported(place, str(path))
    with pytest.raises(InstallationError, match=r"exit 1: .*maild inbox list"):
        place.here("import", str(tmp_path), "--inbox", "nobody@acme.example")


def test_H_a_kill_between_erasing_and_its_files_leaves_nothing_broken(
    place: Installation, tmp_path: Path
) -> None:
    (tmp_path / "large.eml").write_text(old_mail(9) + "x" * 300_000)
    imported(place, str(tmp_path / "large.eml"))
    for point, state in (("erase.before_commit", "filed"), ("erase.after_commit", "erased")):
        words = ["--config", str(place.config), "erase", *INFO, "--yes"]
        code = f"from maild import failpoint, __main__ as m; failpoint.arm('{point}=kill@1'); m.run_here({words})"
        assert (
            subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
        )
        assert [mail["state"] for mail in mails_of(place)] == [state]
        assert place.here("doctor")["broken"] == []
    left = list((place.folder / "bodies").glob("[0-9]*/??/*"))
    assert len(left) == 1, "the daemon sweeps it two days later"
    assert imported(place, str(tmp_path / "large.eml"))["erased"] == 1
