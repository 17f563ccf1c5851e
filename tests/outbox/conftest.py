"""An app with a key, on both databases, with a clock that stands still; doctor walks over it after each test."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from maild.core.app import App
from maild.core.doctor import examine
from maild.core.seal import SealingKey
from maild.store.store import Store
from tests.conftest import UrlOf
from tests.outbox.relay_server import RelayServer, a_relay

KEY = SealingKey.of("a text of chance that is long enough to be a key")


class Frozen:
    """A clock that moves only when it is told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 20, 9, 42, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by


@pytest.fixture
def clock() -> Frozen:
    return Frozen()


def _an_app(url: str, tmp_path: Path, clock: Frozen) -> Iterator[App]:
    store = Store(url, tmp_path / "bodies")
    made = App(store=store, clock=clock, key=KEY)
    yield made
    broken = examine(made).broken
    store.close()
    assert broken == ()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def app(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Frozen, url_of: UrlOf
) -> Iterator[App]:
    """On each database."""
    yield from _an_app(url_of(request.param), tmp_path, clock)


@pytest.fixture
def one_app(tmp_path: Path, clock: Frozen, url_of: UrlOf) -> Iterator[App]:
    """On SQLite alone: for what does not depend on the database."""
    yield from _an_app(url_of("sqlite"), tmp_path, clock)


@pytest.fixture
def relay() -> Iterator[RelayServer]:
    with a_relay() as server:
        yield server
