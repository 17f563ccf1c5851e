"""Keys of inboxes: told once, kept as a digest, one for each inbox; and what opens the HTTP door (D1)."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from maild.core.app import OPERATOR, Actor, App
from maild.core.inbox_keys import new_inbox_key, open_inbox, revoke_inbox_key, show_inbox_key
from maild.model.reason import Answer, Reason, RefusedError
from maild.store import people_tables, schema
from tests.core.company import JAN, a_company
from tests.core.conftest import Frozen

INFO, CRM, SMALL = "info@acme.example", "crm@acme.example", "small@acme.example"
NOBODY = (Answer(Reason.NO_SUCH_INBOX), None)


@pytest.fixture
def company(app: App) -> App:
    a_company(app)
    return app


def a_key(app: App, inbox: str = INFO) -> str:
    made = new_inbox_key(app, inbox, by=OPERATOR)
    assert made.key is not None
    return made.key


def is_opened(app: App, address: str, key: str) -> bool:
    return open_inbox(app, address, key)[0].is_accepted


def test_a_key_says_what_it_is_and_holds_256_random_bits(company: App) -> None:
    keys = {a_key(company) for _ in range(20)}
    assert len(keys) == 20
    assert all(re.fullmatch(r"maild-in-[A-Za-z0-9_-]{43}", key) for key in keys)


def test_a_key_opens_its_inbox_and_its_tags_in_any_spelling_and_no_other_inbox(
    company: App,
) -> None:
    key = a_key(company)
    for address in (INFO, "INFO@Acme.Example", "info+42@acme.example"):
        assert is_opened(company, address, key)
    for address in (CRM, "nobody@acme.example", "no address", ""):
        assert open_inbox(company, address, key) == NOBODY


def test_a_wrong_key_and_an_inbox_without_one_are_the_same_answer_as_no_inbox(company: App) -> None:
    key = a_key(company)
    for wrong in ("", "maild-in-", key[:-1], key.upper(), key + "x", "é", "\udcff", "0" * 64):
        assert open_inbox(company, INFO, wrong) == NOBODY
        assert open_inbox(company, CRM, wrong) == NOBODY


def test_the_digest_that_is_stored_is_no_key(company: App) -> None:
    key = a_key(company)
    digest = hashlib.sha256(key.encode()).hexdigest()
    with company.store.read() as tx:
        [row] = tx.connection.execute(select(people_tables.inbox_keys)).all()
        assert (row.digest, row.inbox_id, row.account_id) == (digest, 2, 1)
        events = tx.connection.execute(select(schema.events.c.subject)).all()
    assert key not in repr(row) + repr(events)
    assert open_inbox(company, INFO, digest) == NOBODY


def test_a_new_key_ends_the_one_before(company: App, clock: Frozen) -> None:
    first = a_key(company)
    clock.advance(timedelta(days=1))
    second = a_key(company)
    assert not is_opened(company, INFO, first)
    assert is_opened(company, INFO, second)
    assert show_inbox_key(company, INFO, by=OPERATOR).since == clock()


def test_a_revoked_key_opens_nothing_and_revoking_is_safe_to_repeat(company: App) -> None:
    key, other = a_key(company), a_key(company, CRM)
    for _ in range(2):
        assert revoke_inbox_key(company, INFO, by=OPERATOR).since is None
    assert not is_opened(company, INFO, key)
    assert is_opened(company, CRM, other)


def test_a_key_is_shown_only_when_it_is_made(company: App, clock: Frozen) -> None:
    assert show_inbox_key(company, INFO, by=OPERATOR).since is None
    a_key(company)
    shown = show_inbox_key(company, INFO, by=OPERATOR)
    assert (shown.inbox, shown.since, shown.key) == (INFO, clock(), None)


def test_an_inboxs_own_limit_comes_with_its_key(company: App) -> None:
    assert open_inbox(company, SMALL, a_key(company, SMALL)) == (Answer(Reason.RECIPIENT_OK), 1024)


def test_M5_a_member_sees_that_there_is_a_key_and_makes_and_ends_none(company: App) -> None:
    key = a_key(company)
    assert show_inbox_key(company, INFO, by=Actor(JAN)).since is not None
    for act in (new_inbox_key, revoke_inbox_key):
        with pytest.raises(RefusedError) as refused:
            act(company, INFO, by=Actor(JAN))
        assert refused.value.reason is Reason.NOT_ALLOWED
    assert is_opened(company, INFO, key)


def test_an_inbox_that_is_not_there_has_no_key(company: App) -> None:
    for act in (show_inbox_key, new_inbox_key, revoke_inbox_key):
        with pytest.raises(RefusedError) as refused:
            act(company, "nobody@acme.example", by=OPERATOR)
        assert refused.value.reason is Reason.NOT_FOUND
