"""Two Dovecots, mailboxes on them, and an app that collects."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from maild.config import load
from maild.core.app import App
from maild.core.doctor import examine
from maild.store import migrate
from maild.store.store import Store
from maild.testing.dovecot import Dovecot
from tests.conftest import absent
from tests.core.company import a_company
from tests.crash.collecting import WITHOUT_MOVE
from tests.sources.site import Clock, Collector, Mailbox

# Else it makes who was refused wait.
NO_PENALTY = "service anvil {\n  unix_listener anvil-auth-penalty {\n    mode = 0\n  }\n}\n"
# Mails that are put into a mailbox as files are past its check; a copy is not.
_QUOTA = """\
mail_plugins = $mail_plugins quota
plugin {
  quota = count:User quota
  quota_vsizes = yes
  quota_rule = *:storage=300K
}
"""
_NUMBERS = count()
_USERS = [f"u{number}@acme.example" for number in range(180)]


CANARY_USER, CANARY_SECRET = "canary@acme.example", "canary-Zq7vRw2LpX9tKm4s"
GOOD = ("good-imap@acme.example", "good-pop@acme.example")


def _dovecot(extra: str) -> Dovecot:
    if not Dovecot.is_there():
        absent("Dovecot")
    made = Dovecot(extra=NO_PENALTY + extra)
    # All of them from the start: Dovecot looks at its users once a second at most.
    for user in (*_USERS, *GOOD):
        made.add_user(user)
    made.add_user(CANARY_USER, CANARY_SECRET)
    made.start()
    return made


@pytest.fixture(scope="package")
def dovecot() -> Iterator[Dovecot]:
    made = _dovecot("")
    yield made
    made.stop()


@pytest.fixture(scope="package")
def other_dovecot() -> Iterator[Dovecot]:
    """Another host, with the same users; it has no MOVE, and 300 KiB for each user."""
    made = _dovecot(_QUOTA + WITHOUT_MOVE)
    yield made
    made.stop()


@pytest.fixture
def box(dovecot: Dovecot) -> Mailbox:
    """A mailbox of one's own."""
    return Mailbox(dovecot, _USERS[next(_NUMBERS)])


@pytest.fixture
def second_box(dovecot: Dovecot) -> Mailbox:
    return Mailbox(dovecot, _USERS[next(_NUMBERS)])


@pytest.fixture
def some_users() -> list[str]:
    """Ten users of one's own, for mailboxes on either host."""
    return [_USERS[next(_NUMBERS)] for _ in range(10)]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@contextmanager
def collecting(url: str, folder: Path, clock: Clock) -> Generator[Collector]:
    """An app on a database that is made; at the end doctor walks over it."""
    config = folder / "maild.toml"
    config.write_text(
        f'database = "{url}"\n[sources]\nallow_networks = ["127.0.0.0/8"]\n'
        'connect_timeout = "5s"\ncommand_timeout = "10s"\nfetch_timeout = "60s"\n',
        encoding="utf-8",
    )
    app = App(store=Store(url, folder / "bodies"), clock=clock)
    yield Collector(app, load(config, {}), folder)
    broken = examine(app).broken
    app.store.close()
    assert broken == ()


def make_database(url: str, folder: Path) -> None:
    """Create the schema, and the company in it."""
    store = Store(url, folder / "bodies")
    migrate.upgrade(store.database)
    a_company(App(store=store, clock=Clock()))
    store.close()


@pytest.fixture(scope="package")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite database that is made once, to be copied for each test."""
    folder = tmp_path_factory.mktemp("company")
    make_database(f"sqlite:///{folder}/maild.db", folder)
    assert not (folder / "maild.db-wal").exists()
    return folder / "maild.db"


@pytest.fixture
def here(tmp_path: Path, clock: Clock, database: Path) -> Iterator[Collector]:
    shutil.copy(database, tmp_path / "maild.db")
    with collecting(f"sqlite:///{tmp_path}/maild.db", tmp_path, clock) as made:
        yield made


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def on_both(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Collector]:
    """The app on each database."""
    url = f"sqlite:///{tmp_path}/maild.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
    make_database(url, tmp_path)
    with collecting(url, tmp_path, clock) as made:
        yield made
