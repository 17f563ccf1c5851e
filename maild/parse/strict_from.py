"""Who sent a mail, beyond doubt, or why nobody can say (I2).

A scanner of its own over the raw header block.  It accepts only what every mail parser reads the same way: it must
never be made more lenient than the three parsers of `tests/parse/test_strict_from.py` agree on.  Whether the author
really wrote the mail is another question, which `auth` answers.
"""

from __future__ import annotations

import re
from bisect import bisect_left

from maild.model.address import Address, InvalidAddressError
from maild.model.letter import Author, Unclear
from maild.parse.limits import FIELD

# The whole block, line by line: a name, a colon at once behind it, a value, continuations.  Possessive, so linear.
_WELL_FORMED = re.compile(
    rb"(?:From [^\r\n]*+\r\n)?+(?:[!-9;-~]++[ \t]*+:[^\r\n]*+\r\n(?:[ \t][^\r\n]*+\r\n)*+)*+"
)
_FROM = re.compile(
    rb"^(from)([ \t]*+):([^\r\n]*+(?:\r\n[ \t][^\r\n]*+)*+)", re.IGNORECASE | re.MULTILINE
)
# Obsolete (RFC 5322 4.5); for many parsers the header ends in front of it, and the From below is text.
_SPACED = re.compile(rb"^[!-9;-~]++[ \t]++:", re.MULTILINE)
_QUOTED = r'"(?:[^"\\]|\\.)*+"'
# A dot may end a word, as in initials (obs-phrase); words that begin with one crash a parser of the standard library.
_ATOM = (
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\U0010ffff-][A-Za-z0-9!#$%&'*+/=?^_`{|}~.\x80-\U0010ffff-]*+"
)
_ADDRESS = r"[^\s<>()\[\],;:\\\"]++"
_MAILBOX = re.compile(
    rf"[ \t]*+(?:(?:(?:{_QUOTED}|{_ATOM})[ \t]*+)*+<(?P<angle>{_ADDRESS})>|(?P<bare>{_ADDRESS}))[ \t]*+"
)
_QUOTED_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*+"?')
_QUOTED_OCTETS = re.compile(_QUOTED_STRINGS.pattern.encode())
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
# Its end is enough: what parsers take for the word may begin in the name.
_OF_ENCODED_WORD = re.compile(r"=\?|\?=")


def author_of(block: bytes) -> Author | Unclear:
    """Return the one author that the header block names, as a canonical address, or why there is none.

    The block has CRLF line ends; whoever read a file with LF alone converts it first (`with_crlf`).
    """
    if (why := _damage(block)) is not None:
        return Unclear(why)
    found = list(_FROM.finditer(block))
    if len(found) != 1:
        many = f"{len(found)} From fields; there must be one" if found else "no From field"
        return Unclear(f"The mail has {many}.")
    _, blanks, value = found[0].groups()
    if blanks:
        return Unclear("There is a space between “From” and its colon.")
    if _SPACED.search(block, 0, found[0].start()):
        return Unclear("Above the From field there is one with a space in front of its colon.")
    if len(value) > FIELD:
        return Unclear("The From field is longer than 64 KiB.")
    return _author_in(value)


def with_crlf(block: bytes) -> bytes:
    """Give a block that uses LF alone throughout its CRLF; any other is returned as it is."""
    return block if b"\r" in block else block.replace(b"\n", b"\r\n")


def _damage(block: bytes) -> str | None:
    """Say what keeps parsers from agreeing on where lines and fields begin."""
    if b"\0" in block:
        return "There is a NUL character in the header."
    pairs = block.count(b"\r\n")
    if block.count(b"\r") != pairs:
        return "There is a carriage return without a line feed in the header, which can hide a second sender."
    if block.count(b"\n") != pairs:
        return "There is a line feed without a carriage return in the header, which can hide a second sender."
    whole = block if block.endswith(b"\r\n") or not block else block + b"\r\n"
    good = _WELL_FORMED.match(whole)
    if good is None or good.end() != len(whole):
        return "The header has a line that is not a header field."
    return None


def _text_of(value: bytes) -> str | Unclear:
    lines = value.split(b"\r\n")
    if not all(line.strip() for line in lines[1:]):
        return Unclear("The From field is broken by an empty line.")
    try:
        text = b"".join(lines).decode("utf-8")
    except UnicodeDecodeError:
        return Unclear("The From field has characters in an unknown encoding.")
    if _CONTROL.search(text):
        return Unclear("There is a control character in the From field.")
    if "=?" in text and _word_crosses_border(text):
        return Unclear("The From field has an encoded word that ends in another part of it.")
    return text


def _author_in(value: bytes) -> Author | Unclear:
    text = _text_of(value)
    if isinstance(text, Unclear):
        return text
    # A parser of the standard library ends the quotation there and reads what follows as an address.
    if any(b"\n" in one for one in _QUOTED_OCTETS.findall(value)):
        return Unclear("The From field has a line break between quotation marks.")
    match = _MAILBOX.fullmatch(text)
    if match is None:
        return Unclear(_why_not(text))
    address = match["angle"] or match["bare"]
    if _OF_ENCODED_WORD.search(address):
        return Unclear("The address in the From field is an encoded word, or a piece of one.")
    try:
        return Author(Address.parse(address).norm)
    except InvalidAddressError as error:
        return Unclear(f"The From field has no usable address: {error}.")


def _word_crosses_border(text: str) -> bool:
    """Whether what begins as an encoded word ends behind a quotation mark or an angle bracket.

    A newer parser of the standard library looks for the end before it looks at those, and may find its address within.
    """
    ends, marks, borders = (
        [one.start() for one in re.finditer(sign, text)] for sign in (r"\?=", r"\?", r'["<>]')
    )
    for begin in (one.end() for one in re.finditer(r"=\?", text)):
        nth = bisect_left(ends, begin)
        if nth < len(ends) and bisect_left(marks, ends[nth]) - bisect_left(marks, begin) < 2:
            nth += 1  # The text begins with an encoded octet: that `?=` is not the end yet.
        if nth < len(ends) and bisect_left(borders, ends[nth]) > bisect_left(borders, begin):
            return True
    return False


def _why_not(text: str) -> str:
    """Name the first thing, from the most telling on, that the grammar does not allow."""
    unquoted = _QUOTED_STRINGS.sub('""', text)
    if not unquoted.strip():
        return "The From field is empty."
    findings = (
        (text.count('"') % 2 == 1, "The From field has a quotation mark that is never closed."),
        ("(" in unquoted or ")" in unquoted, "There is a comment in brackets in the From field."),
        (
            re.search(r"<[ \t]*@", unquoted) is not None,
            "The From field has a route in front of its address.",
        ),
        (
            ":" in unquoted or ";" in unquoted,
            "The From field names a group instead of one mailbox.",
        ),
        ("," in unquoted, "The From field names several mailboxes."),
        (unquoted.count("<") > 1, "The From field has several addresses in angle brackets."),
        (
            re.search(r'""[ \t]*@', unquoted) is not None,
            "The address in the From field has a quoted local part.",
        ),
        (
            "@" in unquoted.partition("<")[0] and "<" in unquoted,
            "The From field has an address where a name belongs.",
        ),
    )
    for true, why in findings:
        if true:
            return why
    return "The From field is malformed."
