"""Header blocks with a From that parsers quarrel about, and what three other parsers make of each (I2).

Each number is one block, the same in every run.  What is written here must stay ignorant of how the strict From works:
it only knows what mail may hold.
"""

from __future__ import annotations

import email.policy
import logging
import random  # noqa: TID251 - seeded with the number of the block: nothing is left to chance
from collections.abc import Callable
from contextlib import suppress
from email.errors import HeaderParseError
from email.parser import BytesParser
from email.utils import getaddresses, parseaddr

import mailparser

from maild.model.address import Address, InvalidAddressError

# It tells of each content type that it does not know.
logging.getLogger("mailparser").setLevel(logging.CRITICAL)

_LOCALS = (
    *(
        "ann",
        "eve",
        "a.b",
        "a+tag",
        "ANN",
        "o'neil",
        "a=b",
        "x_y",
        "1",
        "a-b",
        "jürgen",
        "\uff41\uff4e\uff4e",
        "a!b",
        "a%b",
        "{a}",
        "~",
    ),
    *(
        ".a",
        "a.",
        "a..b",
        '"a b"',
        '"a@b"',
        "a b",
        "",
        "a\\b",
        "=?utf-8?q?a?=",
        "\u202ea",
        "a\u200b",
        "ß",
        "\u0131",
        "a\u0301",
        "-a",
    ),
)
_DOMAINS = (
    *(
        "x.test",
        "X.Test",
        "evil.test",
        "corp.test",
        "a.b.c.test",
        "müller.test",
        "xn--mller-kva.test",
        "straße.test",
        "x-y.test",
    ),
    *(
        "[192.0.2.1]",
        "[IPv6:::1]",
        "x",
        "x.test.",
        "x..test",
        "-x.test",
        "x.test\u200b",
        "\uff58.test",
        "x。test",
        "",
        "x_y.test",
        "fuß.test",
    ),
    *("xn--a.test", "test", "\u05d0.test", "x.test:25", "x\u202e.test", "1.test", "*.test"),
)
_PLAIN_NAMES = (
    "Ann",
    "Ann van der Boer",
    "J. R. Boer",
    '"Boer, Ann"',
    "=?utf-8?q?J=C3=BCrgen?=",
    "Jürgen",
    '"Ann \\"x\\""',
    "アン",
)
_ODD_NAMES = (
    *(
        '"boss@corp.test"',
        '"<boss@corp.test>"',
        "boss@corp.test",
        "=?utf-8?q?boss=40corp.test?=",
        "=?utf-8?b?Ym9zc0Bjb3JwLnRlc3Q=?=",
    ),
    *(
        '"a',
        'a"b',
        "a:",
        "a;",
        "(x)",
        "a (x)",
        "[a]",
        "a\\",
        "\\",
        "<a>",
        "a,b",
        ",",
        "Dr.",
        ".a",
        "a.",
        "=?utf-8?q?a",
        "?=",
        "@",
        "a@",
    ),
    *(
        "=?utf-8?q?=0D=0AFrom:_x?=",
        "'a'",
        "\u202eann",
        "\u2028",
        "\x85",
        "\xa0",
        "\u3000",
        "a\u200bb",
        '""',
        "'<eve@evil.test>'",
        "\ufeff",
    ),
)
_SIGNS = (
    *(
        ',;:<>()[]"\\@.= \t',
        "\r\n ",
        "\r\n\t",
        "\r\n \r\n ",
        "\r\n",
        "\r",
        "\n",
        "\0",
        "\x01",
        "\x0b",
        "\x0c",
        "\x1b",
        "\x7f",
        "\x80",
    ),
    *(
        "\uff20",
        "﹫",
        "\uff0c",
        "\u00a0",
        "\u200b",
        "\u202e",
        "=?utf-8?q?=2C?=",
        "=?utf-8?q?=40?=",
        "?=",
        "''",
        "%",
        '\\"',
        "\u2028",
        "\x1c",
        "\x85",
    ),
)
_OTHERS = (
    *(
        "Subject: hi",
        "To: bo@x.test",
        "Received: from a by b; x",
        "X-Y: z\r\n more",
        "Sender: eve@evil.test",
        "Reply-To: eve@evil.test",
    ),
    *(
        "Resent-From: eve@evil.test",
        "X-From: eve@evil.test",
        "Date: 1 Jan 2026",
        "MIME-Version: 1.0",
        "Content-Type: text/plain",
    ),
    *(
        'Content-Type: multipart/mixed; boundary="',
        "Subject: =?utf-8?q?=0D=0AFrom:_eve=40evil.test?=",
        "Subject: \xfc",
        "Sub\u00fcject: x",
    ),
)
_BREAKS = (
    *(
        "junk",
        "From eve@evil.test Mon Jan 1",
        ">From: eve@evil.test",
        " From: eve@evil.test",
        "X: y\rFrom: eve@evil.test",
        ": x",
        "",
    ),
    *(
        "X: y\nFrom: eve@evil.test",
        "X: a\0b",
        "From",
        "X Y: z",
        "\tx",
        "X : y",
        "From\t: eve@evil.test",
        "Fr\r\n om: x",
        "-----",
    ),
    *(
        "From:: eve@evil.test",
        "From\u00a0: eve@evil.test",
        "X:\r\n From: eve@evil.test",
        "X: y\x0bFrom: eve@evil.test",
        "X: y\x1cz",
        "X: y\x85z",
    ),
    *(
        "Subject: x\r\n\r\nFrom: eve@evil.test",
        "X: \u2028From: eve@evil.test",
        "X:\x0c",
        "\x0cFrom: eve@evil.test",
        "X:y\x0c\r\n z",
    ),
)


def block_of(number: int) -> bytes:
    """Return the header block of that number: one field of most, something odd in half of them."""
    chance = random.Random(number)  # noqa: S311 - not for secrets
    lines = [chance.choice(_OTHERS[:14]) for _ in range(chance.randint(0, 3))]
    lines.insert(chance.randint(0, len(lines)), _field(chance))
    if chance.random() < 0.25:
        lines.insert(chance.randint(0, len(lines)), chance.choice((*_BREAKS, *_OTHERS[14:])))
    if chance.random() < 0.06:
        lines.insert(chance.randint(0, len(lines)), _field(chance))
    ends = chance.choice(("\r\n",) * 30 + ("\n", "\r"))
    text = ends.join(lines) + ends
    if chance.random() < 0.02:
        text = ends + text
    return _octets(chance, text)


def _octets(chance: random.Random, text: str) -> bytes:
    octets = text.encode(chance.choice(("utf-8",) * 20 + ("cp1252", "utf-16-le")), "replace")
    if chance.random() < 0.03:
        at = chance.randrange(len(octets))
        octets = octets[:at] + chance.randbytes(chance.randint(0, 2)) + octets[at + 1 :]
    return octets


def _field(chance: random.Random) -> str:
    name = chance.choice(("From",) * 20 + ("from", "FROM", "fRoM", "From ", "From\t", "Fr\u03bfm"))
    gap = chance.choice((" ",) * 12 + ("", "  ", "\t", "\r\n ", " \r\n\t"))
    return f"{name}:{gap}{_value(chance)}"


def _value(chance: random.Random) -> str:
    value = _mailbox(chance)
    for _ in range(chance.choice((0, 0, 0, 0, 0, 1, 1, 2, 3))):
        value = chance.choice(_CHANGES)(chance, value)
    return value


def _address(chance: random.Random) -> str:
    if chance.random() < 0.6:
        return f"{chance.choice(_LOCALS[:8])}@{chance.choice(_DOMAINS[:9])}"
    return f"{chance.choice(_LOCALS)}@{chance.choice(_DOMAINS)}"


def _mailbox(chance: random.Random) -> str:
    if chance.random() < 0.2:
        return _address(chance)
    names = _PLAIN_NAMES if chance.random() < 0.6 else _PLAIN_NAMES + _ODD_NAMES
    words = [chance.choice(names) for _ in range(chance.choice((0, 1, 1, 1, 2, 3)))]
    between = chance.choice((" ",) * 10 + ("", "\t", "\r\n ", "  ", "."))
    return between.join([*words, f"<{_address(chance)}>"])


def _insert(chance: random.Random, value: str) -> str:
    at = chance.randint(0, len(value))
    sign = chance.choice(_SIGNS)
    return value[:at] + (chance.choice(sign) if len(sign) > 4 else sign) + value[at:]


def _drop(chance: random.Random, value: str) -> str:
    at = chance.randint(0, len(value))
    return value[:at] + value[at + chance.randint(1, 3) :]


def _second(chance: random.Random, value: str) -> str:
    sign = chance.choice((", ", ",", "; ", " ", "", "\r\n ", ":", "\0", "(", ")", "\t"))
    return chance.choice((value + sign + _mailbox(chance), _mailbox(chance) + sign + value))


def _comment(chance: random.Random, value: str) -> str:
    comment = chance.choice(
        ("(x)", "(<eve@evil.test>)", "(a (b) c)", "(", ")", "(\\)", "(eve@evil.test,")
    )
    at = chance.randint(0, len(value))
    return value[:at] + comment + value[at:]


def _around(chance: random.Random, value: str) -> str:
    first, last = chance.choice(
        (
            ("x: ", ";"),
            ("<@evil.test:", ">"),
            ("<", ">"),
            ('"', '"'),
            (" ", " "),
            ("x:", ""),
            ("", ";"),
            ("\r\n ", "\r\n "),
        )
    )
    return first + value + last


_Change = Callable[[random.Random, str], str]
_CHANGES: tuple[_Change, ...] = (_insert, _insert, _drop, _second, _comment, _around)


def readings(block: bytes) -> dict[str, set[str]]:
    """Return which addresses each other parser takes for the author's, canonical where they can be."""
    raw = block + b"\r\nbody\r\n"
    message = BytesParser().parsebytes(raw)
    value = next((value for name, value in message.raw_items() if name.lower() == "from"), "")
    text = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    found = {
        "parseaddr": {parseaddr(text)[1]},
        "getaddresses": {address for _, address in getaddresses([text])},
    }
    with suppress(HeaderParseError):
        # It breaks on an encoded word of broken base64, wherever in the header that stands.
        found["mail-parser"] = {address for _, address in mailparser.parse_from_bytes(raw).from_}
    if raw.isascii() and (modern := _modern(raw)) is not None:
        found["policy"] = modern
    return {name: {_canonical(one) for one in addresses} for name, addresses in found.items()}


def _modern(raw: bytes) -> set[str] | None:
    """Ask the standard library's newer reader; None where it breaks, as at a line end in an encoded word.

    It knows no raw UTF-8.
    """
    try:
        field = BytesParser(policy=email.policy.SMTPUTF8).parsebytes(raw)["From"]
        return {one.addr_spec for one in field.addresses} if field else set()
    except (AttributeError, IndexError, ValueError):
        return None


def _canonical(address: str) -> str:
    try:
        return Address.parse(address).norm
    except InvalidAddressError:
        return address
