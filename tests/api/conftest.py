"""A company behind a running API."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from maild.core.app import App
from maild.core.doctor import examine
from maild.core.seal import SealingKey
from maild.model.people import InboxKind, Role
from maild.store.store import Store
from maild.testing.world import World, a_world
from tests.api.served import Served, serving
from tests.conftest import UrlOf
from tests.core.conftest import Frozen

KEY = SealingKey.of("0123456789abcdef" * 3)


@pytest.fixture
def clock() -> Frozen:
    return Frozen()


@pytest.fixture
def app(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Frozen, url_of: UrlOf
) -> Iterator[App]:
    """On the embedded database, unless a test says `on_both`."""
    store = Store(url_of(getattr(request, "param", "sqlite")), tmp_path / "bodies")
    made = App(store=store, clock=clock, key=KEY)
    yield made
    broken = examine(made).broken
    store.close()
    assert broken == ()


@pytest.fixture
def acme(app: App) -> World:
    world = a_world(app)
    world.user("adam@acme.example", role=Role.ADMIN)
    world.user("lea@acme.example", role=Role.DISTRIBUTOR)
    world.user("eva@acme.example")
    world.inbox("crm@acme.example", InboxKind.FORWARD, owner="lea@acme.example")
    world.inbox("info@acme.example", owner="lea@acme.example")
    world.client("Rossi Bau", "anna@rossi.example")
    return world


@pytest.fixture
def served(acme: World, tmp_path: Path) -> Iterator[Served]:
    with serving(replace(acme.app), tmp_path) as running:
        yield running


@pytest.fixture
def admin(served: Served) -> str:
    return served.token("adam@acme.example")


@pytest.fixture
def member(served: Served) -> str:
    return served.token("eva@acme.example")


@pytest.fixture
def operator(served: Served) -> str:
    return served.token(None)
