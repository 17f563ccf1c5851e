"""What an mbox holds, whichever program wrote it (D13)."""

from __future__ import annotations

import io
import mailbox
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

from hypothesis import given, settings, strategies as st

from maild.doors.files.mbox import FromMbox, read_mbox, stamp_of

STAMP = b"From a@b.example Tue Nov 19 10:00:00 2024\n"
LIMIT = 10_000


def read(content: bytes, limit: int = LIMIT) -> list[FromMbox]:
    return list(read_mbox(io.BytesIO(content), max_size=limit))


def bodies(content: bytes) -> list[bytes | None]:
    return [one.content for one in read(content)]


def test_D13_mails_are_cut_at_separators_and_nowhere_else() -> None:
    one = b"Subject: 1\n\nHello\n"
    trap = b"Subject: 2\n\nFrom my point of view\n\nFrom here on, at 10:30, all is well\n"
    unspaced = b"Subject: 3\n\nhe wrote\nFrom x@y Tue Nov 19 10:00:00 2024\nmore\n"
    mbox = b"".join(STAMP + mail + b"\n" for mail in (one, trap, unspaced))
    assert bodies(mbox) == [one, trap, unspaced.replace(b"\nhe", b"\nhe")]


def test_D13_mails_without_an_empty_line_between_are_told_apart() -> None:
    mails = [b"Subject: %d\n\nHello %d\n" % (number, number) for number in range(3)]
    assert bodies(b"".join(STAMP + mail for mail in mails)) == mails


def test_D13_a_mark_or_empty_lines_may_stand_first() -> None:
    mail = b"Subject: 1\n\nHello\n"
    for begin in (b"\n", b"\r\n\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"):
        found = read(begin + STAMP + mail)
        assert [(one.content, one.offset) for one in found] == [(mail, len(begin))]


def test_D13_what_was_deleted_and_lies_there_still_stays_away() -> None:
    after = b"Subject: after\nX-Mozilla-Status: 0001\n\nBye\n"
    for mark in (b"X-Mozilla-Status: 0009", b"X-Status: AD"):
        assert bodies(STAMP + mark + b"\nSubject: x\n\nHello\n\n" + STAMP + after) == [after]


def test_D13_quoted_from_lines_lose_one_mark_in_the_body_alone() -> None:
    mail = b"Subject: x\n>From header: 1\n\n>From me\n>>From you\n> From us\n"
    assert bodies(STAMP + mail + b"\n") == [
        b"Subject: x\n>From header: 1\n\nFrom me\n>From you\n> From us\n"
    ]


def test_D13_a_content_length_that_ends_at_a_separator_spares_what_lies_within() -> None:
    body = b"An mbox within:\n\n" + STAMP + b"Subject: inner\n\n>From quoted by its author\n"
    mail = b"Subject: outer\nContent-Length: %d\n\n%s" % (len(body), body)
    after = b"Subject: after\n\nBye\n"
    assert bodies(STAMP + mail + b"\n" + STAMP + after) == [mail, after]


def test_D13_a_content_length_that_lies_is_not_believed() -> None:
    after = b"Subject: after\n\nBye\n"
    for length in (0, 3, 7, 99, 10**11):
        mail = b"Subject: outer\nContent-Length: %d\n\nHello you\n" % length
        assert bodies(STAMP + mail + b"\n" + STAMP + after) == [mail, after], length


def test_D13_a_mail_over_the_limit_is_named_and_passed_over() -> None:
    large = b"Subject: large\n\n" + b"x" * 80 * 1000
    after = b"Subject: after\n\nBye\n"
    for mail in (large, large.replace(b"\n\n", b"\nContent-Length: 80000\n\n")):
        found = read(STAMP + mail + b"\n\n" + STAMP + after)
        assert [one.content for one in found] == [None, after]
        assert found[0].size > LIMIT


def test_D13_marks_of_mail_programs_tell_what_was_read() -> None:
    heads = {
        b"Status: RO\n": True,
        b"Status: O\n": False,
        b"X-Mozilla-Status: 0001\n": True,
        b"X-Mozilla-Status: 0000\n": False,
        b"": None,
    }
    mbox = b"".join(STAMP + b"Subject: x\n" + head + b"\nHello\n\n" for head in heads)
    assert [one.is_read for one in read(mbox)] == list(heads.values())


def test_D13_separators_tell_when_a_mail_came_in() -> None:
    known = {
        b"From a@b Tue Nov 19 10:00:00 2024": datetime(2024, 11, 19, 10, tzinfo=UTC),
        b"From - Sat Jan  3 01:05:34 1998": datetime(1998, 1, 3, 1, 5, 34, tzinfo=UTC),
        b"From 17@xxx Tue Nov 19 10:00:00 +0100 2024": datetime(2024, 11, 19, 9, tzinfo=UTC),
        b"From x Tue Nov 19 10:00:00 2024 -0230": datetime(2024, 11, 19, 12, 30, tzinfo=UTC),
        b"From x Tue Nov 19 10:00 CET 2024": datetime(2024, 11, 19, 10, tzinfo=UTC),
        b"From x Tue Nov 39 10:00:00 2024": None,
    }
    assert {line: stamp_of(line) for line in known} == known


def test_D13_what_the_standard_library_wrote_is_read_back(tmp_path: Path) -> None:
    box = mailbox.mbox(tmp_path / "box")
    for number in range(5):
        mail = EmailMessage()
        mail["Subject"] = f"Mail {number}"
        mail.set_content(f"Hello\n\nFrom {number} on\n")
        box.add(mail)
    box.close()
    with (tmp_path / "box").open("rb") as file:
        found = [one.content or b"" for one in read_mbox(file, max_size=LIMIT)]
    assert [f"Subject: Mail {number}\n".encode() in one for number, one in enumerate(found)] == [
        True
    ] * 5
    assert all(b"\n\nFrom " in one for one in found)


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                STAMP,
                b"\n",
                b"\r\n",
                b">From x\n",
                b"Content-Length: 9\n",
                b"a: b\n",
                b"From ",
                b"x" * 70,
            ]
        )
    )
)
def test_D13_any_bytes_are_read_to_their_end_and_none_is_read_twice(pieces: list[bytes]) -> None:
    content = b"".join(pieces)
    found = read(content)
    assert sum(one.size for one in found) <= len(content)
    assert [one.offset for one in found] == sorted({one.offset for one in found})
