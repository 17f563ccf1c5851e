"""A node that froze amid a transaction on PostgreSQL keeps others waiting for a while, and not for ever (D10)."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from sqlalchemy import text

from maild.core.app import App
from maild.store import engine
from maild.store.engine import StoreDownError
from maild.store.store import Store, Tx
from tests.conftest import UrlOf
from tests.core.company import a_company
from tests.core.conftest import Frozen

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


def rename(tx: Tx, name: str) -> None:
    tx.connection.execute(text("UPDATE accounts SET name = :name"), {"name": name})


def name_in(store: Store) -> str:
    with store.read() as tx:
        return str(tx.connection.execute(text("SELECT name FROM accounts LIMIT 1")).scalar_one())


def freezes(frozen: Store, other: Store) -> None:
    with frozen.write() as tx:
        rename(tx, "Frozen")
        with (
            other.write() as waiting
        ):  # It has the row when the server has ended the other one's transaction.
            rename(waiting, "Other")
        time.sleep(0.5)
        rename(tx, "Frozen again")


@pytest.fixture
def url(url_of: UrlOf, tmp_path: Path) -> str:
    url = url_of("postgresql")
    store = Store(url, tmp_path / "bodies")
    a_company(App(store=store, clock=Frozen()))
    store.close()
    return url


def test_D10_who_meets_a_row_of_a_frozen_node_is_answered(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "LOCK_TIMEOUT_MS", 200)
    frozen, other = (Store(url, tmp_path / "bodies") for _ in range(2))
    with frozen.write() as tx:
        rename(tx, "Frozen")
        with pytest.raises(StoreDownError, match="lock timeout"), other.write() as waiting:
            rename(waiting, "Other")
    with other.write() as tx:
        rename(tx, "Other")
    assert name_in(frozen) == "Other"
    frozen.close()
    other.close()


def test_D10_the_transaction_of_a_frozen_node_is_ended_and_it_goes_on_with_another_connection(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "IDLE_TIMEOUT_MS", 200)
    frozen = Store(url, tmp_path / "bodies")
    with frozen.write() as tx:
        rename(tx, "As it was")
    monkeypatch.undo()
    other = Store(url, tmp_path / "bodies")
    with pytest.raises(StoreDownError):
        freezes(frozen, other)
    assert name_in(other) == "Other"
    with frozen.write() as tx:
        rename(tx, "Thawed")
    assert name_in(other) == "Thawed"
    frozen.close()
    other.close()
