"""F6: a plug is asked in a process of its own; whatever it does there, its round ends, is told, and stops nothing else."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from maild.core.accounts import add_account
from maild.core.app import OPERATOR, App
from maild.core.clients import list_clients
from maild.core.clients_following import (
    Following,
    directory_due,
    set_directory,
    show_directory,
    take_directory,
    take_page,
)
from maild.core.doctor import examine
from maild.daemon.directories import Directories, Patience, follow
from maild.model.client_card import ClientPage
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
        ("return ClientPage(cursor='a\\0b')", "cursor holds NUL"),
        (
            "return ClientPage(cursor='1', clients=(ClientCard(name='x', contacts=('\\ud800',)),))",
            "contacts holds NUL or half a character",
        ),
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


def test_F6_a_client_that_is_too_large_stops_no_other(app: App, install: Install) -> None:
    install(
        "large",
        CHANGES + "many = tuple(f'a{n}@large.test' for n in range(1001))\n"
        "        cards = (ClientCard(name='Large', contacts=many), ClientCard(name='x' * 1001),\n"
        "            ClientCard(name='Good'))\n"
        "        return ClientPage(cursor='1', clients=cards)\n",
    )
    counts = followed(app, "large")
    assert (counts["refused"], counts["added"]) == (2, 1)
    assert names(app)[-1] == "Good"


def test_F6_a_round_ends_when_its_time_is_over_and_the_next_goes_on(
    app: App, install: Install
) -> None:
    install(
        "slow",
        CHANGES + "at = int(since or 0)\n"
        "        card = ClientCard(name=f'C{at}', key=str(at))\n"
        "        return ClientPage(cursor=str(at + 1), clients=(card,), more=at < 2)\n",
    )
    set_directory(app, "slow", {}, by=OPERATOR)
    for name, state in (("C0", "WAITING"), ("C1", "WAITING"), ("C2", "OK")):
        following = directory_due(app)
        assert following is not None
        asyncio.run(follow(app, following, Patience(begin=60, page=60, round=0)))
        assert names(app)[-1] == name
        assert show_directory(app, by=OPERATOR).state == state


def test_F6_a_fault_of_ours_at_one_accounts_page_stops_no_other_account(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "clients.csv"
    file.write_text("name,key\nNovum,N\n")
    add_account(app, slug="other", name="Other", by=OPERATOR)
    for account in ("acme", "other"):
        set_directory(app, "file", {"path": str(file)}, account=account, by=OPERATOR)

    def fails_for_acme(app: App, following: Following, page: ClientPage) -> Counter[str]:
        if following.account == "acme":
            raise UnicodeEncodeError("utf-8", "x", 0, 1, "surrogates not allowed")
        return take_page(app, following, page)

    monkeypatch.setattr("maild.daemon.directories.take_page", fails_for_acme)
    asyncio.run(Directories(app).tick())
    broken = show_directory(app, account="acme", by=OPERATOR)
    assert (broken.state, broken.fail_count) == ("BACKOFF", 1)
    assert "UnicodeEncodeError" in (broken.trouble or "")
    assert show_directory(app, account="other", by=OPERATOR).state == "OK"
