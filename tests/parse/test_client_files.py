"""F6: files of clients, as programs write them and as nobody should."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, strategies as st

from maild.model.client_card import ClientCard
from maild.model.reason import RefusedError
from maild.model.wrong import Wrong
from maild.parse.client_files import read_client_file
from maild.parse.vcards import LINE_MAX, read_vcards


def cards(raw: bytes, suffix: str = ".vcf") -> list[ClientCard | Wrong]:
    return [card for _, card in read_client_file(raw, suffix).lines]


def card(*lines: str) -> bytes:
    return "\r\n".join(["BEGIN:VCARD", *lines, "END:VCARD", ""]).encode()


def test_F6_version_4_with_groups_parameters_and_folds() -> None:
    raw = card(
        "VERSION:4.0",
        "FN:Anna Rossi",
        "UID:urn:uuid:1",
        'item1.EMAIL;TYPE="work,x:y;z";PREF=1:anna@',
        " rossi.example",
        "EMAIL:mailto:a.rossi@home.example",
        "PHOTO:data:image/jpeg;base64," + "A" * (2 * LINE_MAX),
    )
    assert cards(raw) == [
        ClientCard(
            name="Anna Rossi",
            key="urn:uuid:1",
            contacts=("anna@rossi.example", "a.rossi@home.example"),
        )
    ]


def test_F6_cards_of_one_organisation_are_one_client() -> None:
    raw = card("VERSION:3.0", "FN:Anna", "ORG:Rossi\\; Bau;Sales", "EMAIL:a@rossi.example") + card(
        "VERSION:3.0", "FN:Bea", "ORG:Rossi\\; Bau", "EMAIL:b@rossi.example"
    )
    assert read_vcards(raw) == [
        (1, ClientCard(name="Rossi; Bau", contacts=("a@rossi.example", "b@rossi.example")))
    ]


def test_F6_people_who_only_have_the_same_name_are_not_one_client() -> None:
    raw = card("FN:Anna Rossi", "EMAIL:a@one.test") + card("FN:Anna Rossi", "EMAIL:a@two.test")
    assert [one.contacts for one in cards(raw) if isinstance(one, ClientCard)] == [
        ("a@one.test",),
        ("a@two.test",),
    ]
    again = card("FN:Anna", "UID:7", "EMAIL:a@one.test") + card(
        "FN:Anna", "UID:7", "EMAIL:b@x.test"
    )
    assert cards(again) == [ClientCard(name="Anna", key="7", contacts=("a@one.test", "b@x.test"))]


def test_F6_a_card_without_an_address_does_not_say_that_there_is_none() -> None:
    assert cards(card("FN:Anna", "UID:7")) == [ClientCard(name="Anna", key="7", contacts=None)]


def test_F6_version_2_1_with_quoted_printable_of_windows() -> None:
    raw = (
        b"BEGIN:VCARD\r\nVERSION:2.1\r\n"
        b"N;CHARSET=ISO-8859-1;ENCODING=QUOTED-PRINTABLE:M=FCller;J=\r\n=F6rg\r\n"
        b"EMAIL;INTERNET:joerg@mueller.example\r\nEND:VCARD\r\n"
    )
    assert cards(raw) == [
        ClientCard(name="Jörg Müller", key=None, contacts=("joerg@mueller.example",))
    ]


def test_F6_a_card_without_an_end_and_one_within_another() -> None:
    raw = card("FN:Out", "AGENT:", "BEGIN:VCARD", "FN:In", "EMAIL:in@x.test", "END:VCARD")
    assert cards(raw) == [ClientCard(name="Out", key=None)]
    [wrong] = cards(b"BEGIN:VCARD\nFN:Half\nEMAIL:h@x.test\n")
    assert isinstance(wrong, Wrong)
    assert "END:VCARD is missing" in str(wrong.refusal)


def test_F6_a_file_without_a_card_is_refused() -> None:
    with pytest.raises(RefusedError, match="no card"):
        cards(b"name,contacts\nRossi,a@b.test\n")


@given(
    st.lists(
        st.sampled_from(
            [b"BEGIN:VCARD", b"END:VCARD", b"EMAIL", b":", b";", b'"', b"=", b"\r\n", b"\n ", b"\\"]
        )
        | st.binary(max_size=8),
        max_size=60,
    )
)
def test_F6_any_bytes_are_read_or_refused(pieces: list[bytes]) -> None:
    for suffix in (".vcf", ".json", ".csv"):
        with suppress(RefusedError):
            read_client_file(b"".join(pieces), suffix)


HOSTILE: dict[str, Callable[[int], bytes]] = {
    "no colon": lambda n: card("EMAIL" + ";A=B" * n),
    "quotes": lambda n: card('EMAIL;A="' + '"x' * n + ":y"),
    "folds": lambda n: card("EMAIL:x" + "\r\n y" * n),
    "soft": lambda n: card("FN;ENCODING=QUOTED-PRINTABLE:" + "=\r\n" * n),
    "begins": lambda n: b"BEGIN:VCARD\r\n" * n,
    "cards": lambda n: card("ORG:One", "EMAIL:a@b.test") * n,
    "emails": lambda n: card(*["EMAIL:a@b.test"] * n),
    "escapes": lambda n: card("ORG:" + "\\;" * n),
}


def steps(act: Callable[[], object]) -> int:
    """Count the lines that an act runs through: the same on every machine."""
    count = 0

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        act()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("sort", HOSTILE)
def test_F6_reading_is_linear(sort: str) -> None:
    small, large = (HOSTILE[sort](size) for size in (250, 1000))
    assert steps(lambda: read_vcards(large)) < 5 * steps(lambda: read_vcards(small)) + 1000


def test_F6_json_as_a_list_or_one_per_line_and_as_our_own_list_says_it() -> None:
    item = {"name": "Rossi", "key": "7", "contacts": ["a@rossi.test"], "domains": []}
    read = ClientCard(name="Rossi", key="7", contacts=("a@rossi.test",), domains=())
    assert cards(json.dumps([item]).encode(), ".json") == [read]
    assert cards(f"{json.dumps(item)}\n\n{json.dumps(item)}".encode(), ".json") == [read, read]
    shown = {**item, "id": "01", "created_at": "2026-11-20T10:00:00Z"}
    assert cards(json.dumps([shown]).encode(), ".json") == [read]


def test_F6_what_a_file_does_not_speak_of_is_not_said() -> None:
    assert cards(b"name,key\nRossi,7\n", ".csv") == [ClientCard(name="Rossi", key="7")]
    assert cards(b"name,contacts\nRossi,\n", ".csv") == [ClientCard(name="Rossi", contacts=())]
    assert cards(b'[{"name": "Rossi"}]', ".json") == [ClientCard(name="Rossi")]


@pytest.mark.parametrize("line", ["[", "1", "{", '{"name": 1}', '{"name": "x", "phone": "1"}'])
def test_F6_a_line_that_is_no_client_stops_no_other(line: str) -> None:
    raw = f'{{"name": "Good"}}\n{line}\n'.encode()
    good, wrong = cards(raw, ".json")
    assert good == ClientCard(name="Good")
    assert isinstance(wrong, Wrong)


WHOLE = 'name,key,contacts\r\nMüller,1,a@m.test\r\nRossi,2,"b@r.test;c@r.test"\r\n'.encode()


def test_F6_a_table_that_is_cut_within_a_line_shows_it() -> None:
    ends = {at + 2 for at in range(len(WHOLE)) if WHOLE[at : at + 2] == b"\r\n"}
    # Between CR and LF nothing is missing.
    ends |= {end - 1 for end in ends}
    for at in range(len(b"name"), len(WHOLE) + 1):
        assert read_client_file(WHOLE[:at], ".csv").may_be_cut is (at not in ends), WHOLE[:at]


@pytest.mark.parametrize("text", ['name,contacts\nRossi,"a@r.test\n', "name,key\nA,1\nRossi\n"])
def test_F6_a_table_that_is_cut_behind_a_line_break_within_a_line_shows_it(text: str) -> None:
    assert read_client_file(text.encode(), ".csv").may_be_cut
