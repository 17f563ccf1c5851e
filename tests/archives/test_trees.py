"""Folders of mail as they are found: in use, half readable, and with things in them that are no mail (D13)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from maild.daemon.importing import Tally
from maild.doors.files.trees import NoArchiveError, archives_in, mails_in

MAIL = b"Subject: 1\n\nHello\n"
MBOX = b"From a@b.example Tue Nov 19 10:00:00 2024\n" + MAIL


def names(path: Path) -> list[str]:
    return [one.path.name for one in archives_in(path)]


def a_maildir(path: Path, *, cur: int = 0, new: int = 0) -> Path:
    for folder in ("cur", "new", "tmp"):
        (path / folder).mkdir(parents=True)
    for number in range(cur):
        (path / "cur" / f"160000000{number}.M1.h:2,").write_bytes(MAIL)
    for number in range(new):
        (path / "new" / f"170000000{number}.M1.h").write_bytes(MAIL)
    return path


def test_D13_what_is_no_file_hangs_nobody_and_is_not_followed(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tmp_path / "elsewhere.eml").write_bytes(MAIL)
    (tree / "a.eml").write_bytes(MAIL)
    os.mkfifo(tree / "b.eml")
    (tree / "c.eml").symlink_to(tmp_path / "elsewhere.eml")
    assert names(tree) == ["a.eml"]
    with pytest.raises(NoArchiveError):
        names(tree / "b.eml")
    assert names(tree / "c.eml") == ["c.eml"]


def test_D13_an_mbox_that_does_not_begin_with_its_separator_is_one(tmp_path: Path) -> None:
    (tmp_path / "blank").write_bytes(b"\n" + MBOX)
    (tmp_path / "marked").write_bytes(b"\xef\xbb\xbf" + MBOX)
    assert names(tmp_path) == ["blank", "marked"]


def test_D13_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.eml").write_bytes(MAIL)
    (tmp_path / "inbox").write_bytes(MBOX)
    opens = os.open

    def refuses(path: Path, *more: int) -> int:
        if Path(path).name == "inbox":
            raise PermissionError(13, "Permission denied", str(path))
        return opens(path, *more)

    monkeypatch.setattr("maild.doors.files.trees.os.open", refuses)
    found = [one for archive in archives_in(tmp_path) for one in mails_in(archive, max_size=1000)]
    assert [(Path(one.place).name, one.trouble) for one in found] == [
        ("a.eml", ""),
        ("inbox", "cannot be read: Permission denied"),
    ]


def test_D13_a_maildir_in_use_is_gone_through_to_its_end(tmp_path: Path) -> None:
    place = a_maildir(tmp_path / "md", cur=5, new=1)
    going = archives_in(place)
    found = [next(going).path.name]
    assert found == ["1700000000.M1.h"]
    found.append(next(going).path.name)
    (place / "cur" / "1600000003.M1.h:2,").rename(place / "cur" / "1600000003.M1.h:2,S")
    found += [one.path.name for one in going]
    assert sorted(name.partition(":")[0] for name in found) == [
        *(f"160000000{number}.M1.h" for number in range(5)),
        "1700000000.M1.h",
    ]


def test_D13_a_mail_that_is_opened_meanwhile_is_found(tmp_path: Path) -> None:
    place = a_maildir(tmp_path / "md", cur=1, new=2)
    going = archives_in(place)
    found = [next(going).path.name]
    (place / "new" / "1700000001.M1.h").rename(place / "cur" / "1700000001.M1.h:2,S")
    found += [one.path.name for one in going]
    assert {"1700000000.M1.h", "1700000001.M1.h:2,S", "1600000000.M1.h:2,"} == set(found)


def test_D13_a_file_has_one_row_of_counts() -> None:
    tally = Tally(is_dry=True, how_to_go_on="")
    for name in ("b", "a", "b"):
        tally.of(name).new += 1
    assert [(one.file, one.new) for one in tally.files] == [("b", 2), ("a", 1)]
