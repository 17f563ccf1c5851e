"""F6: a plug is asked in a process of its own; whatever it does there, its round ends, is told, and stops nothing else."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from maild.core.app import OPERATOR, App
from maild.core.clients import list_clients
from maild.core.clients_following import set_directory, show_directory, take_directory
from maild.core.doctor import examine
from maild.daemon.directories import Directories, Patience, follow
from maild.plugs.loader import PlugError
from maild.store.store import Store
from tests.conftest import UrlOf
from tests.core.company import a_company
from tests.core.conftest import Frozen
from tests.plugs.conftest import Install

CHANGES = "class Plug(Base):\n    def changes(self, account, since):\n        "
PATIENCE = Patience(begin=60, page=60)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def app(request: pytest.FixtureRequest, tmp_path: Path, url_of: UrlOf) -> Iterator[App]:
    store = Store(url_of(request.param), tmp_path / "bodies")
    made = App(store=store, clock=Frozen())
    a_company(made)
    yield made
    broken = examine(made).broken
    store.close()
    assert broken == ()


def followed(app: App, name: str, patience: Patience = PATIENCE, **options: str) -> dict[str, int]:
    set_directory(app, name, options, by=OPERATOR)
    return dict(asyncio.run(follow(app, take_directory(app, by=OPERATOR), patience)))


def names(app: App) -> list[str]:
    return [one.name for one in list_clients(app, by=OPERATOR).clients]


def test_F6_a_directory_is_walked_to_its_end(app: App, install: Install) -> None:
    install(
        "crm",
        CHANGES + "at = int(since or 0)\n"
        "        print('noise')\n"
        "        card = ClientCard(name=f'{account} {self.options[\"of\"]} {at}', key=str(at))\n"
        "        return ClientPage(cursor=str(at + 1), clients=(card,), more=at < 2)\n",
    )
    assert followed(app, "crm", of="x")["added"] == 3
    assert names(app)[-3:] == ["acme x 0", "acme x 1", "acme x 2"]
    assert show_directory(app, by=OPERATOR).state == "OK"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("raise ConnectionError('no route to the CRM')", "ConnectionError: no route to the CRM"),
        ("sys.exit(0)", "its process ended"),
        ("os._exit(3)", "its process ended"),
        ("os.kill(os.getpid(), 9)", "its process ended"),
        ("return [1]", "returned list, and not a ClientPage"),
        ("return ClientPage(cursor='1', more='yes')", "no true or false for more"),
        ("return ClientPage(cursor='1', more=True)", "its cursor comes back"),
        (
            "return ClientPage(cursor=str(int(since or 0) + 1), more=True)",
            "20 pages in a row say that there is more",
        ),
        ("return ClientPage(cursor='1', gone=('x',) * 2001)", "2000 is the most"),
        ("return ClientPage(cursor='x' * 17 * 2**20)", "over 16 MiB"),
        ("return bytearray(4 * 2**30)", "MemoryError"),
    ],
)
def test_F6_a_plug_that_misbehaves_is_told_and_tried_again_later(
    app: App, install: Install, body: str, says: str
) -> None:
    install("bad", CHANGES + body + "\n")
    with pytest.raises(PlugError) as told:
        followed(app, "bad")
    assert says in str(told.value)
    view = show_directory(app, by=OPERATOR)
    assert (view.state, view.fail_count) == ("BACKOFF", 1)
    assert says in (view.trouble or "")
    assert view.next_try_at > app.clock()


def test_F6_a_plug_that_hangs_is_killed(app: App, install: Install, tmp_path: Path) -> None:
    install(
        "slow",
        CHANGES + "open(self.options['pid'], 'w').write(str(os.getpid()))\n"
        "        time.sleep(600)\n",
    )
    pid = tmp_path / "pid"
    with pytest.raises(PlugError, match="did not answer within 5 seconds"):
        followed(app, "slow", Patience(begin=60, page=5), pid=str(pid))
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_F6_a_plug_that_hangs_ends_even_when_its_parent_has_died(
    app: App, install: Install
) -> None:
    install(
        "alarm",
        CHANGES + "import signal\n"
        "        card = ClientCard(name='ends by itself' if signal.alarm(0) > 60 else 'lives on')\n"
        "        return ClientPage(cursor='1', clients=(card,))\n",
    )
    followed(app, "alarm")
    assert "ends by itself" in names(app)


def test_F6_what_was_taken_before_the_trouble_stays_and_is_not_asked_again(
    app: App, install: Install
) -> None:
    install(
        "half",
        CHANGES + "if since: raise OSError('at ' + since)\n"
        "        return ClientPage(cursor='c1', clients=(ClientCard(name='First', key='1'),), more=True)\n",
    )
    with pytest.raises(PlugError, match="at c1"):
        followed(app, "half")
    assert "First" in names(app)
    assert take_directory(app, by=OPERATOR).cursor == "c1"


def test_F6_a_plug_that_is_not_installed_is_named(app: App) -> None:
    with pytest.raises(PlugError, match="no plug gone"):
        followed(app, "gone")


def test_F6_the_schedule_asks_who_is_due_and_no_fault_ends_it(
    app: App, tmp_path: Path, install: Install
) -> None:
    file = tmp_path / "clients.csv"
    file.write_text("name,key,contacts\nNovum,N,a@novum.test\n")
    set_directory(app, "file", {"path": str(file)}, by=OPERATOR)
    directories = Directories(app)
    asyncio.run(directories.tick())
    assert "Novum" in names(app)
    # Half of a file, as one that is being written, is no file.
    file.write_text("name,key,contacts\nNovum AG,N,a@novum.test\nBroken,B,x,y,z\n")
    assert isinstance(app.clock, Frozen)
    app.clock.now = show_directory(app, by=OPERATOR).next_try_at
    asyncio.run(directories.tick())
    view = show_directory(app, by=OPERATOR)
    assert "line 3" in (view.trouble or "")
    assert "Novum" in names(app)
    file.write_text("name,key,contacts\nNovum AG,N,a@novum.test\n")
    app.clock.now = view.next_try_at
    asyncio.run(directories.tick())
    assert names(app)[-1] == "Novum AG"
    assert show_directory(app, by=OPERATOR).trouble is None
