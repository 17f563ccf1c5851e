"""What the machine of people works on: stores that hold a firm already, and a model of whose each address is."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from maild.core.accounts import show_account
from maild.core.app import OPERATOR, App
from maild.core.seal import SealingKey
from maild.store import migrate
from maild.store.store import Store
from maild.testing.world import World
from tests.core.company import Post
from tests.core.conftest import Frozen
from tests.core.firm import Firm, a_firm


class CrashError(Exception):
    """The machine stopped inside a transaction."""


@dataclass
class Names:
    """Makes names until the machine stops."""

    left: int
    make: Callable[[], str]

    def __call__(self) -> str:
        if self.left == 0:
            raise CrashError
        self.left -= 1
        return self.make()


@dataclass
class Model:
    """Whose each address is."""

    live: dict[str, int] = field(default_factory=dict)
    primary: dict[int, str] = field(default_factory=dict)
    former: set[str] = field(default_factory=set)
    """Aliases that were primary addresses."""
    into: dict[int, int] = field(default_factory=dict)
    disabled: set[int] = field(default_factory=set)

    def copy(self) -> Model:
        return Model(
            dict(self.live),
            dict(self.primary),
            set(self.former),
            dict(self.into),
            set(self.disabled),
        )

    def today(self, user: int) -> int:
        """Return who a user turned out to be."""
        while user in self.into:
            user = self.into[user]
        return user

    def is_active(self, user: int) -> bool:
        """Whether who this is today is active."""
        return self.today(user) not in self.disabled

    def people(self) -> list[int]:
        return sorted(self.primary)

    def exchange(self, one: int, other: int) -> None:
        self.primary[one], self.primary[other] = self.primary[other], self.primary[one]
        self.live[self.primary[one]], self.live[self.primary[other]] = one, other
        for norm in [norm for norm in self.former if self.live.get(norm) in {one, other}]:
            self.live[norm] = other if self.live[norm] == one else one


class Stores(Protocol):
    """Makes stores in which the firm is already."""

    def open(self, folder: Path) -> Store: ...

    def forget(self, folder: Path) -> None: ...


class OnSqlite:
    """Copies of a file."""

    def __init__(self, folder: Path) -> None:
        self.template = folder / "template"
        self.template.mkdir()
        store = Store(f"sqlite:///{self.template}/maild.db", self.template / "bodies")
        build(store)

    def open(self, folder: Path) -> Store:
        shutil.copytree(self.template, folder, dirs_exist_ok=True)
        return Store(f"sqlite:///{folder}/maild.db", folder / "bodies")

    def forget(self, folder: Path) -> None:
        """The folder goes, and all with it."""


class OnPostgres:
    """Copies of a database, in a cluster of our own."""

    def __init__(self, cluster: Path, folder: Path) -> None:
        self.cluster = cluster
        self.execute("DROP DATABASE IF EXISTS machine", "CREATE DATABASE machine")
        build(Store(self.url("machine"), folder / "bodies"))

    def execute(self, *statements: str) -> None:
        import psycopg

        server = f"host={self.cluster} user=maild dbname=postgres"
        with psycopg.connect(server, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://maild@/{name}?host={self.cluster}"

    def name(self, folder: Path) -> str:
        return "m" + folder.name.replace("-", "_").lower()

    def open(self, folder: Path) -> Store:
        self.execute(f'CREATE DATABASE "{self.name(folder)}" TEMPLATE machine')
        return Store(self.url(self.name(folder)), folder / "bodies")

    def forget(self, folder: Path) -> None:
        self.execute(f'DROP DATABASE "{self.name(folder)}" WITH (FORCE)')


def build(store: Store) -> None:
    migrate.upgrade(store.database)
    a_firm(App(store=store, clock=Frozen()))
    store.close()


def firm_on(app: App) -> Firm:
    """Return the firm that a database holds already."""
    app = replace(app, key=SealingKey.of("0123456789abcdef" * 3))
    return Firm(app, World(app, show_account(app, "acme", by=OPERATOR)), Post(app))
