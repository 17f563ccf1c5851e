"""What poplib as it comes does wrong, shown on it and on ours: the reason for `Wire` (F10).

When one of the stock faults goes away in a new Python, its test here fails and the reason can be looked at anew.
"""

from __future__ import annotations

import poplib
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from typing_extensions import override

from maild.core.raw import Spool
from maild.core.remote import Bounds, Password
from maild.doors.pop.client import PopClient
from maild.testing.scripted_pop import NAME, SECRET, Peer, PopServer, scripted
from tests.doors_pop.conftest import PATIENT, content

LONG = b"Subject: long\r\n\r\n" + b"x" * 3000 + b"\r\nthe end\r\n"
BARE = b"Subject: a\rFrom: b\r\n\r\n\rfirst\r\n"
LARGE = b"Subject: large\r\n\r\n" + b"a line of a large mail, of which there are many\r\n" * 400_000


def stock_session(server: PopServer) -> poplib.POP3:
    stock = poplib.POP3(server.address, server.port, timeout=10)
    stock.user(NAME)
    stock.pass_(SECRET)
    return stock


def ours(server: PopServer) -> PopClient:
    client = PopClient.connect(server.endpoint(), server.address, patience=PATIENT, bounds=Bounds())
    client.sign_in(Password(NAME, SECRET))
    return client


def fetched(server: PopServer, folder: Path) -> bytes:
    client = ours(server)
    raws = dict(client.fetch([1], lambda: Spool(folder, 32 * 1024), max_size=100_000_000))
    client.commit()
    return content(raws[1])


def test_stock_refuses_a_long_line_and_is_out_of_step_afterwards() -> None:
    with scripted("behaves", [LONG]) as server:
        stock = stock_session(server)
        with pytest.raises(poplib.error_proto, match="line too long"):
            stock.retr(1)
        with pytest.raises(poplib.error_proto, match="xxx"):
            stock.noop()  # It takes the mail's text for its answer.
        stock.close()


def test_F10_a_long_line_is_mail_like_any_other(tmp_path: Path) -> None:
    with scripted("behaves", [LONG]) as server:
        assert fetched(server, tmp_path) == LONG


def test_F10_a_line_of_20_mb_is_mail_like_any_other(tmp_path: Path) -> None:
    with scripted("retr-20mb-line", [LONG]) as server:
        assert fetched(server, tmp_path) == b"x" * 20_000_000 + b"\r\n"


def test_stock_loses_a_bare_cr_at_the_edge_of_a_line() -> None:
    with scripted("behaves", [b"A: b\r\n\r\n\rfirst\nsecond\r\n"]) as server:
        stock = stock_session(server)
        _, lines, _ = stock.retr(1)
        stock.close()
    assert lines[2] == b"first"


@pytest.mark.parametrize("mail", [BARE, b"A: b\r\n\r\n\rfirst\nsecond\r\n"])
def test_D2_a_bare_cr_stays_where_it_is(mail: bytes, tmp_path: Path) -> None:
    with scripted("behaves", [mail]) as server:
        assert fetched(server, tmp_path) == mail


def most_memory(act: Callable[[], object]) -> int:
    tracemalloc.start()
    act()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


class _OneLarge(Peer):
    """It makes its mail while it sends, so that the server's memory is not what is measured."""

    @override
    def do_retr(self, argument: bytes) -> None:
        self.say(b"+OK\r\n")
        for _ in range(400):
            self.say(b"a line of a large mail, of which there are many\r\n" * 1000)
        self.say(b".\r\n")


@pytest.mark.slow
def test_stock_holds_more_than_a_whole_mail_in_memory() -> None:
    with PopServer(_OneLarge, [b""]) as server:
        stock = stock_session(server)
        assert most_memory(lambda: stock.retr(1)) > 19_000_000
        stock.close()


@pytest.mark.slow
def test_a_large_mail_goes_through_little_memory(tmp_path: Path) -> None:
    with PopServer(_OneLarge, [b""]) as server:
        client = ours(server)
        spools = lambda: Spool(tmp_path, 32 * 1024)  # noqa: E731 - it is one
        most = most_memory(lambda: list(client.fetch([1], spools, max_size=100_000_000)))
        client.commit()
    assert most < 4_000_000


def test_stock_shows_the_password_at_its_debug_level(capsys: pytest.CaptureFixture[str]) -> None:
    with scripted("behaves") as server:
        stock = poplib.POP3(server.address, server.port, timeout=10)
        stock.set_debuglevel(1)
        stock.user(NAME)
        stock.pass_(SECRET)
        stock.close()
    assert SECRET in capsys.readouterr().out


def test_ours_has_no_debug_level_that_shows_it(capsys: pytest.CaptureFixture[str]) -> None:
    with scripted("behaves") as server:
        client = PopClient.connect(
            server.endpoint(), server.address, patience=PATIENT, bounds=Bounds()
        )
        client._wire.set_debuglevel(2)
        client.sign_in(Password(NAME, SECRET))
        client.close()
    said = capsys.readouterr()
    assert SECRET not in said.out + said.err
