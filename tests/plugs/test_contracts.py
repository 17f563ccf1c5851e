"""The kit for who writes a plug: a good one passes, each fault is one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from maild.model.client_card import ClientCard, ClientPage
from maild.plugs.contracts import Directory, News, Opinion
from maild.plugs.file_directory import PAGE, FileDirectory
from maild.testing.contracts import (
    BrokenContractError,
    directory_keeps_contract,
    notifier_keeps_contract,
    screen_keeps_contract,
)


class Crm:
    """Three clients, one a page."""

    def changes(self, account: str, since: str | None) -> ClientPage:
        place = int(since) if since is not None and since.isdigit() else 0
        cards = [ClientCard(name=f"C{number}", key=str(number)) for number in range(3)]
        return ClientPage(
            cursor=str(min(place + 1, 3)), clients=tuple(cards[place : place + 1]), more=place < 2
        )


def test_F6_a_good_directory_passes() -> None:
    directory_keeps_contract(Crm)


@pytest.mark.parametrize("count", [0, 1, PAGE, PAGE + 1])
def test_F6_the_directory_that_maild_brings_passes(tmp_path: Path, count: int) -> None:
    file = tmp_path / "clients.csv"
    file.write_text("name,key\n" + "".join(f"C{one},{one}\n" for one in range(count)))
    directory_keeps_contract(lambda: FileDirectory({"path": str(file)}))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"name,key,contacts\nNovum,1,a@novum.test\nRossi,2,b@ro", "half written"),
        ("name,key\nM\u00fc".encode()[:-1], "half written"),
        (b"name,key\nNovum,1\nRossi\n", "half written"),
        (b"name,key\nNovum,1\nOther,2\nNovum AG, 1\n", "line 4: the client of line 2 again"),
        ("name\nM\u00fcller\nMu\u0308ller\n".encode(), "line 3: the client of line 2 again"),
    ],
)
def test_F6_half_a_file_or_one_that_says_two_things_is_not_taken(
    tmp_path: Path, content: bytes, says: str
) -> None:
    file = tmp_path / "clients.csv"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=says):
        FileDirectory({"path": str(file)}).changes("acme", None)


def crm(changes: Callable[[str | None], Any]) -> Callable[[], Directory]:
    class Bad:
        def changes(self, account: str, since: str | None) -> Any:
            return changes(since)

    return Bad


def page(**said: Any) -> ClientPage:
    return ClientPage(**({"cursor": "1"} | said))


def fails(_: str | None) -> Any:
    raise ConnectionError("no route")


def counting() -> Callable[[str | None], ClientPage]:
    count = iter(range(10**6))
    return lambda _: page(cursor=str(next(count)))


BAD: dict[str, tuple[Callable[[str | None], Any], str]] = {
    "raises": (fails, "ConnectionError: no route"),
    "no page": (lambda _: [], "returned list, and not a ClientPage"),
    "dicts": (lambda _: page(clients=({"name": "x"},)), "no ClientCard"),
    "number": (lambda _: page(clients=(ClientCard(name=1),)), "no text"),  # type: ignore[arg-type]  # what a plug may do
    "bytes": (lambda _: page(gone=(b"x",)), "no text"),
    "lists": (lambda _: page(clients=[ClientCard(name="x")]), "lists where tuples belong"),
    "flood": (lambda _: page(clients=(ClientCard(name="x"),) * 2001), "2000 is the most"),
    "long": (lambda _: page(clients=(ClientCard(name="x" * 100_001),)), "100000 is the most"),
    "no text": (lambda _: page(clients=(ClientCard(name="a\0b"),)), "name holds NUL"),
    "no cursor": (lambda _: page(cursor=None), "cursor holds what is no text"),
    "for ever": (lambda _: page(more=True), "comes back"),
    "unsteady": (counting(), "another one when it is asked for again"),
    "no end": (lambda _: page(clients=(ClientCard(name="x"),)), "Behind the last page"),
    "believes": (
        lambda since: page(clients=() if since else (ClientCard(name="x"),)),
        "does not begin from the first",
    ),
}


@pytest.mark.parametrize("sort", BAD)
def test_F6_a_directory_that_breaks_its_promise_is_told_which(sort: str) -> None:
    changes, says = BAD[sort]
    with pytest.raises(BrokenContractError) as broken:
        directory_keeps_contract(crm(changes))
    assert says in str(broken.value)


class Told:
    def __init__(self, answer: Callable[[News], Any]) -> None:
        self._answer = answer

    def tell(self, errand: News) -> None:
        return self._answer(errand)  # type: ignore[no-any-return]  # the sample answers what no Fate is, too


def test_a_good_notifier_passes_and_others_do_not() -> None:
    notifier_keeps_contract(lambda: Told(lambda _: None))
    with pytest.raises(BrokenContractError, match=r"tomorrow raises KeyError"):
        notifier_keeps_contract(lambda: Told(lambda news: {"mail.filed": None}[news.kind]))
    with pytest.raises(BrokenContractError, match="returns something"):
        notifier_keeps_contract(lambda: Told(lambda _: True))


class Asked:
    def __init__(self, answer: Callable[[], Any]) -> None:
        self._answer = answer

    def ask(self, letter: object, envelope: object) -> Any:
        return self._answer()


def test_a_good_screen_passes_and_others_do_not() -> None:
    screen_keeps_contract(lambda: Asked(lambda: Opinion(why="It is on a list.")))
    answers = iter([None, Opinion(why="x")] * 9)
    for answer, says in (
        (lambda: True, "returns True"),
        (lambda: Opinion(why=" "), "with a why"),
        (lambda: next(answers), "Asked twice"),
        (lambda: 1 / 0, "raises ZeroDivisionError"),
    ):
        with pytest.raises(BrokenContractError, match=says):
            screen_keeps_contract(lambda answer=answer: Asked(answer))  # type: ignore[misc]  # mypy infers no lambda with a default
