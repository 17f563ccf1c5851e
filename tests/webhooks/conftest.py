"""A company on both databases, with a key; doctor walks over it after each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from maild.core.app import App
from maild.core.doctor import examine
from maild.core.seal import SealingKey
from maild.store.store import Store
from tests.conftest import UrlOf
from tests.core.company import a_company
from tests.core.conftest import Frozen
from tests.webhooks.crm import Crm

KEY = SealingKey.of("a text of chance that is long enough to be a key")


@pytest.fixture
def clock() -> Frozen:
    return Frozen()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def app(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Frozen, url_of: UrlOf
) -> Iterator[App]:
    store = Store(url_of(request.param), tmp_path / "bodies")
    made = App(store=store, clock=clock, key=KEY)
    a_company(made)
    yield made
    broken = examine(made).broken
    store.close()
    assert broken == ()


@pytest.fixture
def crm(app: App, clock: Frozen) -> Crm:
    return Crm(app, clock)
