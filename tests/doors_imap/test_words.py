"""Names, answers and refusals, as values."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, strategies as st

from maild.core.remote import RemoteError, Trouble
from maild.doors.imap.fetching import internal_date, items_of
from maild.doors.imap.names import (
    batches,
    from_wire,
    is_quotable,
    members,
    quoted,
    to_wire,
    uid_set,
)
from maild.doors.imap.words import printable, trouble_of

UIDS = st.lists(st.integers(1, 2**32 - 1), min_size=1, max_size=50)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        # RFC 3501 5.1.3 has the first.
        ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
        ("Grüße", "Gr&APwA3w-e"),
        ("A&B", "A&-B"),
        ("&-", "&--"),
        ("😀", "&2D3eAA-"),
        ("a\r\nb", "a&AA0ACg-b"),
        ("INBOX", "INBOX"),
    ],
)
def test_a_folder_name_goes_there_and_back(name: str, wire: str) -> None:
    assert to_wire(name) == wire
    assert from_wire(wire.encode("ascii")) == name


@given(NAMES)
def test_any_folder_name_goes_there_and_back(name: str) -> None:
    assert from_wire(to_wire(name).encode("ascii")) == name


@given(NAMES)
def test_no_folder_name_leaves_its_quotes(name: str) -> None:
    written = quoted(to_wire(name))
    assert written.isascii()
    assert written.isprintable()
    inside = written[1:-1].replace("\\\\", "").replace('\\"', "")
    assert '"' not in inside
    assert "\\" not in inside


@pytest.mark.parametrize("wire", [b"a&!b", b"&AP-", b"&2D0-", b"Gr\xc3\xbc", b"&", b"\xff"])
def test_a_folder_name_that_is_no_modified_UTF_7_is_still_shown(wire: bytes) -> None:
    assert from_wire(wire)


@pytest.mark.parametrize("text", ["a\rb", "a\nb", "a\0b", "ü"])
def test_what_no_quoted_string_holds_is_never_quoted(text: str) -> None:
    assert not is_quotable(text)
    with pytest.raises(ValueError, match="quoted string"):
        quoted(text)


def test_uids_are_written_as_ranges() -> None:
    assert uid_set([9, 1, 2, 3, 5, 9]) == "1:3,5,9"


@given(UIDS)
@example([1, 2, 3, 5, 8, 9])
def test_a_set_of_uids_is_read_as_it_was_written(uids: list[int]) -> None:
    assert members(uid_set(uids), len(set(uids))) == sorted(set(uids))


@pytest.mark.parametrize("text", ["1:4294967295", "1:9", "x", "1:", "*", ""])
def test_a_set_that_is_none_or_too_large_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - int() has words of its own
        members(text, 3)


def test_batches_hold_all_once() -> None:
    assert [list(batch) for batch in batches(range(5), 2)] == [[0, 1], [2, 3], [4]]


def test_items_come_in_any_order_and_company() -> None:
    answer = [
        b'12 FETCH (FLAGS (\\Seen "x" (a (b))) BODY[HEADER.FIELDS (DATE "FROM")]<0> {4}',
        b")\r\n(",
        b' INTERNALDATE "17-Jul-2026 02:44:25 -0700" X-GM-LABELS ("\\\\I" "a)b") ENVELOPE (NIL {3}',
        b"x)(",
        b") uid 7 RFC822.SIZE 44827)",
    ]
    items = items_of(answer)
    assert items is not None
    assert (items.number(b"UID"), items.number(b"RFC822.SIZE")) == (7, 44827)
    assert items.text(b"BODY[HEADER") == b")\r\n("
    assert items.date() == datetime(2026, 7, 17, 9, 44, 25, tzinfo=UTC)


def test_a_quoted_body_is_a_body_and_NIL_is_none() -> None:
    for written, content in ((b'""', b""), (b'"a\\"b"', b'a"b'), (b"NIL", None)):
        items = items_of([b"1 FETCH (UID 4 BODY[] " + written + b")"])
        assert items is not None
        assert items.text(b"BODY[]") == content


@pytest.mark.parametrize("line", [b"3 EXISTS", b"SEARCH 1 2", b"OK FETCH (x)", b"FETCH (UID 1)"])
def test_other_answers_are_not_FETCH(line: bytes) -> None:
    assert items_of([line]) is None


@pytest.mark.parametrize(
    "line",
    [
        b"1 FETCH (UID",
        b"1 FETCH (UID 4",
        b"1 FETCH (UID)",
        b"1 FETCH (UID 4) x",
        b'1 FETCH (UID "4)',
        b"1 FETCH ((UID) 4)",
        b"1 FETCH (UID {5})",
        b"1 FETCH (BODY[ 4)",
        b"1 FETCH (UID (4)",
    ],
)
def test_a_FETCH_that_does_not_parse_is_BROKEN_PROTOCOL(line: bytes) -> None:
    with pytest.raises(RemoteError) as caught:
        items_of([line])
    assert caught.value.trouble is Trouble.BROKEN_PROTOCOL


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=5))
def test_any_octets_are_read_or_refused(parts: list[bytes]) -> None:
    with contextlib.suppress(RemoteError):
        items_of([b"1 FETCH (" + parts[0], *parts[1:]])


@pytest.mark.parametrize(
    "text", [None, b"", b"32-Jan-2026 00:00:00 +0000", b"1-Foo-2026 00:00:00 +0000", b"yesterday"]
)
def test_what_is_no_date_is_none(text: bytes | None) -> None:
    assert internal_date(text) is None


@pytest.mark.parametrize(
    ("said", "trouble"),
    [
        (b"[AUTHENTICATIONFAILED] Too many failures", Trouble.REFUSED_LOGIN),
        (b"[unavailable] x", Trouble.BUSY),
        (b"Too many simultaneous connections. (Failure)", Trouble.BUSY),
        (b"User is authenticated but not connected.", Trouble.NOT_ALLOWED),
        (b"[ALERT] Please log in via your web browser", Trouble.REFUSED_ACT),
        (b"[TRYCREATE] No folder", Trouble.NO_SUCH_FOLDER),
        (b"", Trouble.REFUSED_ACT),
    ],
)
def test_words_of_a_server_have_their_meaning(said: bytes, trouble: Trouble) -> None:
    assert trouble_of(said, Trouble.REFUSED_ACT) is trouble


@given(st.binary(max_size=2000))
def test_what_is_shown_of_a_servers_words_is_one_short_printable_line(said: bytes) -> None:
    shown = printable(said)
    assert len(shown) <= 200
    assert shown.isprintable()
