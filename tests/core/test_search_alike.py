"""The same corpus, the same queries, the same hits on SQLite and PostgreSQL (M6)."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from maild.core.app import OPERATOR, App
from maild.core.lists import Wanted, list_mails
from maild.store.store import Store
from tests.conftest import UrlOf
from tests.core.conftest import Frozen
from tests.core.test_search import MIXED, Room

WORDS = (
    "offer",
    "Größe",
    "grosse",
    "日本語",
    "本",
    "naïve",
    "re-use",
    "a.b@c",
    "x1",
    "İstanbul",
    "ﬁn",
    "नमस्ते",
)
PEOPLE = ("Anna <anna@rossi.example>", "MARC <Marc@Dupont.Example>", "Ö <oe@bücher.example>")

text = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join)
term = st.one_of(
    text.map(lambda said: f'"{said}"'),
    st.sampled_from(WORDS),
    st.sampled_from(WORDS).map(lambda word: f"{word[:3]}*"),
    st.sampled_from(WORDS).map(lambda word: f"subject:{word}"),
    st.sampled_from(
        ("from:rossi", "from:@dupont.example", "from:anna", "to:info@", "has:attachment", "is:filed",
         "client:none", "owner:lea", "from:=marc@dupont.example", "before:2026-11-20T09:46", "attachment:plan")
    ),
)  # fmt: skip
query = st.lists(
    st.tuples(st.sampled_from(("", "-")), term).map("".join), min_size=1, max_size=4
).map(" ".join)


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("few", "common"),
    [(1000, 3), (0, 0), (0, 10**9)],
    ids=["as ever", "words are common", "words are rare"],
)
def test_M6_both_databases_find_the_same_whichever_way_they_go(
    tmp_path: Path, url_of: UrlOf, monkeypatch: pytest.MonkeyPatch, few: int, common: int
) -> None:
    monkeypatch.setattr("maild.store.list_walks.FEW_OWNED", few)
    monkeypatch.setattr("maild.store.list_walks.COMMON", common)
    rooms = []
    for kind in ("sqlite", "postgresql"):
        clock = Frozen()
        store = Store(url_of(kind), tmp_path / kind)
        room = Room(App(store=store, clock=clock), clock)
        for number in range(12):
            words = [WORDS[(number * step) % len(WORDS)] for step in range(1, 5)]
            body = MIXED if number % 5 == 4 else " ".join(words[1:])
            room.mail(f"m{number}", " ".join(words[:2]), body, PEOPLE[number % 3])
        room.settle()
        rooms.append(room)
    hits = 0

    @settings(
        max_examples=60, deadline=None, database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )  # fmt: skip
    @given(query)
    def alike(asked: str) -> None:
        nonlocal hits
        here, there = (
            [
                mail["message_id"]
                for mail in list_mails(room.app, Wanted(search=asked), by=OPERATOR).mails
            ]
            for room in rooms
        )
        assert here == there
        hits += len(here)

    alike()
    assert hits > 50
    for room in rooms:
        room.app.store.close()
