"""An app on a temporary store with a clock that stands still; doctor walks over it after each test."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from maild.core.app import App
from maild.core.doctor import examine
from maild.store.store import Store
from tests.conftest import UrlOf


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


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def app(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Frozen, url_of: UrlOf
) -> Iterator[App]:
    store = Store(url_of(request.param), tmp_path / "bodies")
    made = App(store=store, clock=clock)
    yield made
    broken = examine(made).broken
    store.close()
    assert broken == ()
