"""A backup is whole, and what is restored is what was there (product H)."""

from __future__ import annotations

from pathlib import Path

import pytest

from maild.__main__ import run_here
from maild.core.app import OPERATOR, App
from maild.core.backup import back_up
from maild.core.doctor import examine
from maild.core.erasing import Erasure, erase
from maild.core.indexing import index_all
from maild.core.views import raw_mail
from maild.model.reason import RefusedError
from maild.store.backup import snapshot
from maild.store.store import Store
from maild.testing.installation import Installation, InstallationError
from tests.archives.test_command import an_mbox, imported, install, mails_of, old_mail, place
from tests.conftest import UrlOf
from tests.core.company import Post, a_company
from tests.core.conftest import Frozen, clock

__all__ = ["clock", "install", "place"]


def test_H_a_backup_is_restored_whole_and_only_where_nothing_is(
    place: Installation, tmp_path: Path
) -> None:
    (tmp_path / "large.eml").write_text(old_mail(9) + "x" * 300_000)
    imported(place, str(an_mbox(tmp_path / "old.mbox", 3)), str(tmp_path / "large.eml"))
    out = tmp_path / "backup"
    assert place.here("backup", str(out))["bodies"] == 1
    with pytest.raises(InstallationError, match="there already"):
        place.here("backup", str(out))
    with pytest.raises(InstallationError, match="move it away"):
        place.here("restore", str(out))
    before = [(mail["id"], mail["subject"], mail["digest"]) for mail in mails_of(place)]
    for path in place.folder.glob("maild.db*"):
        path.unlink()
    (place.folder / "bodies").rename(tmp_path / "lost")
    assert place.here("restore", str(out))["broken"] == []
    assert [(mail["id"], mail["subject"], mail["digest"]) for mail in mails_of(place)] == before
    assert imported(place, str(tmp_path / "large.eml"))["known"] == 1


def test_H_a_damaged_backup_is_refused(place: Installation, tmp_path: Path) -> None:
    out = tmp_path / "backup"
    place.here("backup", str(out))
    with (out / "maild.db").open("r+b") as file:
        file.seek(5000)
        file.write(b"damage")
    other = Installation(tmp_path / "other", runs=run_here)
    other.make()
    for path in other.folder.glob("maild.db*"):
        path.unlink()
    with pytest.raises(InstallationError, match="not what was backed up"):
        other.here("restore", str(out))
    (out / "backup.json").unlink()
    with pytest.raises(InstallationError, match="is no backup"):
        other.here("restore", str(out))


def test_H_a_backup_has_no_word_of_an_erased_mail(
    tmp_path: Path, url_of: UrlOf, clock: Frozen
) -> None:
    store = Store(url_of("sqlite"), tmp_path / "bodies")
    app = App(store=store, clock=clock)
    a_company(app)
    post = Post(app)
    [answer] = post.send(post.mail(body="xylophones quux"))
    for number in range(20):
        post.send(post.mail(body=f"filler {number}"))
    post.decide()
    index_all(app)
    erase(app, Erasure(ids=(str(answer.facts["ref"]),)), by=OPERATOR)
    index_all(app)
    back_up(app, tmp_path / "copy")
    store.close()
    assert b"ylophones" not in (tmp_path / "copy" / "maild.db").read_bytes()


def test_H_what_is_erased_while_it_is_backed_up_is_erased_in_the_backup(
    tmp_path: Path, url_of: UrlOf, clock: Frozen, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(url_of("sqlite"), tmp_path / "bodies")
    app = App(store=store, clock=clock)
    a_company(app)
    post = Post(app)
    kept, erased = (
        str(post.send(post.mail(body=word * 100_000), "info@acme.example")[0].facts["ref"])
        for word in ("kept ", "erased ")
    )
    post.decide()
    times = 0

    def meanwhile(source: Path, target: Path) -> None:
        nonlocal times
        snapshot(source, target)
        times += 1
        if times == 1:
            erase(app, Erasure(ids=(erased,)), by=OPERATOR)

    monkeypatch.setattr("maild.core.backup.snapshot", meanwhile)
    made = back_up(app, tmp_path / "copy")
    assert (made.bodies, made.gone, times) == (1, 0, 2)
    store.close()
    copy = App(
        store=Store(f"sqlite:///{tmp_path / 'copy' / 'maild.db'}", tmp_path / "copy" / "bodies"),
        clock=clock,
    )
    assert not examine(copy).broken
    assert isinstance(raw_mail(copy, kept, by=OPERATOR), Path)
    with pytest.raises(RefusedError, match="was erased"):
        raw_mail(copy, erased, by=OPERATOR)
    copy.store.close()
