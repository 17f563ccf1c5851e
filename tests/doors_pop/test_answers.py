"""What a server says, read: bounds, codes, odd listings; without a server."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given, strategies as st

from maild.core.remote import Bounds, RemoteError, Trouble
from maild.doors.pop.answers import (
    ListReader,
    Refused,
    delay_seconds,
    printable,
    read_sizes,
    read_uids,
    sign_in_trouble,
)


@pytest.mark.parametrize(
    "bounds", [Bounds(line=100), Bounds(listing_octets=100), Bounds(listing=10)]
)
def test_each_bound_of_a_listing_holds_by_itself(bounds: Bounds) -> None:
    reader = ListReader(bounds)
    piece = b"x" * 101 if bounds.listing != 10 else b"1 1\r\n" * 11
    with pytest.raises(RemoteError) as failed:
        reader.lines(piece)
    assert failed.value.trouble is Trouble.BROKEN_PROTOCOL


@given(cuts=st.lists(st.integers(1, 9), min_size=1))
def test_a_listing_is_the_same_however_it_is_cut(cuts: list[int]) -> None:
    text = b"1 10\r\n2 20\n33 30 and more\r\n"
    reader, lines, at = ListReader(Bounds()), list[bytes](), 0
    for size in [*cuts, len(text)]:
        lines += reader.lines(text[at : at + size])
        at += size
    sizes: dict[int, int] = {}
    read_sizes(lines, sizes)
    assert sizes == {1: 10, 2: 20, 33: 30}


def failure_of(act: Callable[[], None]) -> RemoteError | None:
    try:
        act()
    except RemoteError as error:
        return error
    return None


@given(line=st.binary(max_size=60))
def test_any_line_is_an_entry_or_a_broken_protocol(line: bytes) -> None:
    acts = [partial(read_sizes, [line], {}), partial(read_uids, [line], {}, range(1, 100))]
    for failure in filter(None, map(failure_of, acts)):
        assert failure.trouble is Trouble.BROKEN_PROTOCOL
        assert failure.said.isprintable()


def test_ids_of_unknown_mails_take_no_memory() -> None:
    uids: dict[int, str | None] = {}
    read_uids([b"%d id" % n for n in range(1, 1000)], uids, {7})
    assert uids == {7: "id"}


def test_a_line_without_id_is_a_mail_without_one() -> None:
    uids: dict[int, str | None] = {}
    read_uids([b"1", b"2 "], uids, {1, 2})
    assert uids == {1: None, 2: None}


@given(said=st.binary(max_size=2000))
def test_whatever_is_said_is_shown_as_one_short_line(said: bytes) -> None:
    shown = printable(said)
    assert shown.isprintable()
    assert len(shown) <= 200


@pytest.mark.parametrize(
    ("line", "capabilities", "trouble"),
    [
        (b"-ERR [AUTH] no", "", Trouble.REFUSED_LOGIN),
        (b"-ERR [auth] no", "", Trouble.REFUSED_LOGIN),
        (b"-ERR [IN-USE] x", "", Trouble.LOGIN_LATER),
        (b"-ERR [LOGIN-DELAY 30] x", "", Trouble.LOGIN_LATER),
        (b"-ERR [SYS/TEMP] x", "", Trouble.LOGIN_LATER),
        (b"-ERR [SYS/PERM] x", "", Trouble.NOT_ALLOWED),
        (b"-ERR bad password", "", Trouble.REFUSED_LOGIN),
        (b"-ERR something", "AUTH-RESP-CODE", Trouble.LOGIN_LATER),
        (b"-ERR too many connections", "", Trouble.LOGIN_LATER),
        (b"-ERR", "", Trouble.REFUSED_LOGIN),
    ],
)
def test_a_refusal_means_what_its_code_says(
    line: bytes, capabilities: str, trouble: Trouble
) -> None:
    assert sign_in_trouble(Refused(line), frozenset(capabilities.split())) is trouble


@pytest.mark.parametrize(
    ("argument", "seconds"),
    [("900", 900), ("900 USER", 900), ("", None), ("soon", None), ("9" * 99, 86_400), ("²", None)],
)
def test_a_login_delay_is_a_number_within_reason(argument: str, seconds: int | None) -> None:
    assert delay_seconds(argument) == seconds
