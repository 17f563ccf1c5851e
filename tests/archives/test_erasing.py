"""Erasing takes what a mail said, and leaves that it was (product H, D5, M4)."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from maild.core.accounts import set_account
from maild.core.app import OPERATOR, Actor, App
from maild.core.archives import Fate, Import, OldMail, bring_in
from maild.core.erasing import (
    Erasable,
    Erasure,
    erase,
    find_outlived,
    find_to_erase,
    retain,
    sweep_bodies,
)
from maild.core.indexing import index_all
from maild.core.lists import Wanted, list_mails
from maild.core.rulings import dismiss
from maild.core.views import explain_mail, raw_mail, show_mail
from maild.model.envelope import Door
from maild.model.reason import RefusedError
from maild.store import schema
from maild.store.bodies import SWEEP_AFTER_S
from maild.store.metadata import metadata
from tests.core.company import EVA, READER, SIGNED_IN, Post, a_company
from tests.core.conftest import Frozen, app, clock

__all__ = ["app", "clock"]

SECRET = "xylophone"
ROSSI = "01" + "C" * 24
LARGE = 300 * 1024
INFO, CRM = "info@acme.example", "crm@acme.example"


@pytest.fixture
def post(app: App) -> Post:
    a_company(app)
    return Post(app)


def sent(post: Post, *args: Any, to: str = "info@acme.example", **more: Any) -> str:
    [answer] = post.send(post.mail(*args, **more), to, trust=SIGNED_IN)
    post.decide()
    index_all(post.app)
    return str(answer.facts["ref"])


def every_word(app: App) -> str:
    """Return everything that the database holds, as one text."""
    with app.store.read() as tx:
        found = [
            str(tx.connection.execute(select(table)).all())
            for table in metadata.sorted_tables
            if table.name != "address_book"  # Of the account, not of a mail.
        ]
        found.append(str(tx.connection.execute(text("SELECT * FROM search_words")).all()))
    return "\n".join(found)


def files(app: App) -> list[str]:
    return [path.name for path in app.store.bodies.folder.glob("[0-9]*/??/*")]


def test_H_nothing_that_it_said_is_left(app: App, post: Post) -> None:
    who = f"{SECRET}@world.example"
    ref = sent(post, who, body=f"{SECRET} {SECRET}", more=f"Cc: {SECRET}@c.example\r\n")
    assert SECRET in every_word(app)
    assert erase(app, Erasure(ids=(ref,)), by=OPERATOR) == 1
    index_all(app)
    assert SECRET not in every_word(app)
    [row] = post.lies()
    assert (row["state"], row["reason"], row["owner"], row["subject"]) == ("erased", None, None, "")


def test_H_what_is_looked_at_is_counted_and_only_a_word_erases(app: App, post: Post) -> None:
    ref = sent(post)
    found = find_to_erase(app, Erasure(ids=(ref,)), by=OPERATOR)
    assert found == Erasable(count=1, oldest=app.clock(), newest=app.clock())
    assert post.outcome()[0] == "filed"


def test_M4_erasing_is_the_operators(app: App, post: Post) -> None:
    ref = sent(post)
    for act in (find_to_erase, erase):
        with pytest.raises(RefusedError, match="operator"):
            act(app, Erasure(ids=(ref,)), by=Actor(user_id=EVA))
    with pytest.raises(RefusedError, match="Say which"):
        erase(app, Erasure(), by=OPERATOR)
    assert post.outcome()[0] == "filed"


def test_H_a_mail_that_is_not_there_is_named(app: App, post: Post) -> None:
    ref = sent(post)
    for unknown in ("nonsense", "01" + "B" * 24):
        for act in (find_to_erase, erase):
            with pytest.raises(RefusedError, match=unknown):
                act(app, Erasure(ids=(ref, unknown)), by=OPERATOR)
    assert post.outcome()[0] == "filed"


def test_H_a_body_goes_with_the_last_mail_that_has_it(app: App, post: Post) -> None:
    content = post.mail(body="y" * LARGE)
    [first, second] = post.send(content, "info@acme.example", "crm@acme.example")
    post.decide()
    assert len(files(app)) == 1
    erase(app, Erasure(ids=(str(first.facts["ref"]),)), by=OPERATOR)
    assert (len(files(app)), post.table("bodies")) == (1, 1)
    assert sorted(row["state"] for row in post.lies()) == ["erased", "held"]
    erase(app, Erasure(ids=(str(second.facts["ref"]),)), by=OPERATOR)
    assert (len(files(app)), post.table("bodies")) == (0, 0)


def test_H_a_file_that_a_crash_left_is_swept_and_no_other(
    app: App, post: Post, clock: Frozen, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, gone = (post.mail(body=char * LARGE) for char in "yz")
    post.send(kept)
    [answer] = post.send(gone)
    post.decide()
    with monkeypatch.context() as patched:
        patched.setattr("maild.core.erasing._take_away", lambda app, gone: 0)
        erase(app, Erasure(ids=(str(answer.facts["ref"]),)), by=OPERATOR)
    assert len(files(app)) == 2
    assert sweep_bodies(app) == 0
    old = clock.now.timestamp() - SWEEP_AFTER_S - 10
    for path in app.store.bodies.folder.glob("[0-9]*/??/*"):
        os.utime(path, (old, old))
    assert sweep_bodies(app) == 1
    assert len(files(app)) == 1


def test_H_the_same_bytes_come_in_again_whole(app: App, post: Post, clock: Frozen) -> None:
    content = post.mail(body="y" * LARGE)
    [answer] = post.send(content)
    post.decide()
    erase(app, Erasure(ids=(str(answer.facts["ref"]),)), by=OPERATOR)
    clock.advance(timedelta(days=8))
    [again] = post.send(content)
    post.decide()
    assert again.facts["ref"] != answer.facts["ref"]
    assert sorted(row["state"] for row in post.lies()) == ["erased", "filed"]
    assert len(files(app)) == 1


def test_H_nothing_of_it_is_shown_while_another_inbox_has_the_same(app: App, post: Post) -> None:
    content = post.mail(f"{SECRET}@world.example", body=SECRET, more=f"Cc: {SECRET}@c.example\r\n")
    info, crm = (
        str(one.facts["ref"])
        for one in post.send(content, INFO, CRM, mail_from=f"{SECRET}@world.example")
    )
    post.decide()
    index_all(app)
    erase(app, Erasure(ids=(info,)), by=OPERATOR)
    index_all(app)
    with pytest.raises(RefusedError, match="was erased"):
        raw_mail(app, info, by=OPERATOR)
    told = [
        show_mail(app, READER, info, by=OPERATOR),
        explain_mail(app, info, by=OPERATOR),
        *(one for one in list_mails(app, Wanted(), by=OPERATOR).mails if one["id"] == info),
    ]
    assert len(told) == 3
    assert SECRET not in str(told)
    assert "192.0.2.1" not in str(told)
    assert {one["reason_text"] for one in told} == {"It was erased"}
    assert raw_mail(app, crm, by=OPERATOR) == content
    assert SECRET in str(show_mail(app, READER, crm, by=OPERATOR))


def test_D6_what_one_inbox_erased_and_another_has_comes_in_again(post: Post, clock: Frozen) -> None:
    content = post.mail()
    info, crm = (str(one.facts["ref"]) for one in post.send(content, INFO, CRM))
    post.decide()
    erase(post.app, Erasure(ids=(info,)), by=OPERATOR)
    [retried, _] = post.send(content, INFO, CRM)
    assert retried.facts["ref"] == info
    clock.advance(timedelta(days=8))
    [again] = post.send(content, INFO)
    post.decide()
    assert again.facts["ref"] not in {info, crm}
    assert sorted(row["state"] for row in post.lies()) == ["erased", "filed", "held"]


def test_D6_it_comes_in_again_once_and_for_the_inbox_alone_that_has_it_not(
    post: Post, clock: Frozen
) -> None:
    content = post.mail()
    [info, crm] = post.send(content, INFO, CRM)
    post.decide()
    erase(post.app, Erasure(ids=(str(info.facts["ref"]),)), by=OPERATOR)
    clock.advance(timedelta(days=8))
    [new, other] = post.send(content, INFO, CRM)
    post.decide()
    assert (new.facts != info.facts, other.facts) == (True, crm.facts)
    # Neither a retry, nor another way, nor a later arrival makes a third.
    for way in (Door.SMTP, Door.LMTP):
        told = post.send(content, INFO, CRM, door=way)
        assert [one.facts for one in told] == [new.facts, crm.facts]
    clock.advance(timedelta(days=8))
    assert post.send(content)[0].facts == new.facts
    post.decide()
    assert len(post.lies()) == 3
    assert post.table("messages") == 2


def test_H_what_one_inboxs_retention_took_comes_in_again(
    app: App, post: Post, clock: Frozen
) -> None:
    set_account(app, "acme", {"retention_ignored": "30d"}, by=OPERATOR)
    content = post.mail()
    [info, _] = post.send(content, INFO, CRM)
    post.decide()
    dismiss(app, READER, [str(info.facts["ref"])], by=OPERATOR)
    clock.advance(timedelta(days=31))
    assert retain(app) == 1
    [again] = post.send(content)
    assert again.facts != info.facts
    post.decide()
    assert sorted(row["state"] for row in post.lies()) == ["erased", "filed", "held"]


def test_D13_what_was_erased_does_not_come_back_by_an_import(app: App, post: Post) -> None:
    mails = [
        OldMail(content=post.mail(message_id=name), received_at=app.clock()) for name in ("", None)
    ]
    into = Import(inbox="info@acme.example")
    assert bring_in(app, READER, mails, into, by=OPERATOR) == [Fate.NEW] * 2
    assert erase(app, Erasure(inbox="info@acme.example"), by=OPERATOR) == 2
    assert bring_in(app, READER, mails, into, by=OPERATOR) == [Fate.ERASED] * 2
    assert {row["state"] for row in post.lies()} == {"erased"}


def test_H_a_clients_and_a_users_mail_is_found(app: App, post: Post) -> None:
    filed, strange = sent(post), sent(post, "x@world.example")
    with app.store.write() as tx:
        tx.connection.execute(text("UPDATE clients SET ulid = :it WHERE id = 1"), {"it": ROSSI})
    evas = sent(post, "Eva <eva@acme.example>", to="crm@acme.example")
    assert find_to_erase(app, Erasure(client=ROSSI), by=OPERATOR).count == 1
    assert find_to_erase(app, Erasure(user="eva@acme.example"), by=OPERATOR).count == 1
    assert erase(app, Erasure(user="eva@acme.example"), by=OPERATOR) == 1
    assert erase(app, Erasure(client=ROSSI), by=OPERATOR) == 1
    states = {row["id"]: row["state"] for row in list_mails(app, Wanted(), by=OPERATOR).mails}
    assert states == {filed: "erased", strange: "unfiled", evas: "erased"}


def test_H_retention_takes_what_is_older_and_is_the_operators(
    app: App, post: Post, clock: Frozen
) -> None:
    sent(post)
    put_away = sent(post)
    dismiss(app, READER, [put_away], by=OPERATOR)
    clock.advance(timedelta(days=100))
    young = sent(post)
    with pytest.raises(RefusedError, match="operator"):
        set_account(app, "acme", {"retention": "90d"}, by=Actor(account_id=1))
    assert retain(app) == 0
    assert find_outlived(app, "acme", "retention", "90d", by=OPERATOR).count == 2
    assert find_outlived(app, "acme", "retention_ignored", "90d", by=OPERATOR).count == 1
    set_account(app, "acme", {"retention_ignored": "90d"}, by=OPERATOR)
    assert retain(app) == 1
    set_account(app, "acme", {"retention": "90d"}, by=OPERATOR)
    assert retain(app) == 1
    assert [
        row["id"]
        for row in list_mails(app, Wanted(), by=OPERATOR).mails
        if row["state"] != "erased"
    ] == [young]
    for wrong in ("3 years", "0d", "-1d", "999y"):
        with pytest.raises(RefusedError, match="age as"):
            set_account(app, "acme", {"retention": wrong}, by=OPERATOR)


def test_H_more_than_a_portion_goes_and_can_be_stopped(app: App, post: Post) -> None:
    for _ in range(3):
        post.send(post.mail())
    post.decide()
    post.send(post.mail())  # Not decided yet: it stays.
    assert (
        erase(app, Erasure(inbox="info@acme.example"), by=OPERATOR, go_on=lambda done: False) == 3
    )
    assert erase(app, Erasure(inbox="info@acme.example"), by=OPERATOR) == 0
    with app.store.read() as tx:
        states = tx.connection.execute(select(schema.deliveries.c.state)).scalars().all()
    assert sorted(states) == ["erased"] * 3 + ["received"]
    post.decide()
