"""Reading Authentication-Results (RFC 8601): what an upstream server that the operator trusts found out.

Which field may be read at all is decided at the door, by `trusted_text`; `read_results` takes its text apart.  What
cannot be read says nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from maild.auth.signed import ONCE
from maild.model.address import InvalidAddressError, canonical_domain

TEXT_MAX = 16 * 1024
"""Octets of one field that are read; a longer one says nothing."""

M365 = "m365"
"""The name by which an operator trusts Microsoft 365, whose fields often name no server."""
GMAIL = "mx.google.com"

# Where Gmail keeps a mail it writes up to two Received above its results, and these are what they say.
_BY_GOOGLE = re.compile(
    rb"(?:from [^;]*? )?by (?:mx\.google\.com|2002:a05:[0-9a-f:]+) ", re.IGNORECASE
)
_SPACES = re.compile(r"\s+")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s"]+')


@dataclass(frozen=True, slots=True)
class MethodResult:
    """One method's verdict, such as dmarc=pass header.from=acme.example."""

    method: str
    result: str
    properties: dict[str, str]


def trusted_text(fields: Iterable[tuple[bytes, bytes]], trusted: Collection[str]) -> str | None:
    """Return the topmost Authentication-Results, if one whom the operator trusts wrote it (RFC 8601 5).

    `fields`: lower-case names and values, topmost first.  Only the topmost one can have been written on this side of
    the border.  Above a server's own there is at most the Received of that server; above Microsoft's none; above
    Gmail's up to two, both Google's.  None of a mail that has twice what mails have once: the server may have checked the
    lower one, and the upper one is read.
    """
    if not trusted:
        return None
    fields = list(fields)
    there = Counter(name for name, _ in fields)
    if any(there[name] > 1 for name in ONCE):
        return None
    received: list[bytes] = []
    for name, value in fields:
        if name == b"received":
            received.append(b" ".join(value.split()))
            if len(received) > 2:
                return None
        elif name == b"authentication-results":
            text = " ".join(value.decode("utf-8", "replace").split())
            return text if _is_trusted(text, received, trusted) else None
    return None


def _is_trusted(text: str, received: list[bytes], trusted: Collection[str]) -> bool:
    if len(text) > TEXT_MAX:
        return False
    name = authserv_id_of(text)
    if name is None:
        return M365 in trusted and not received
    if name == M365 or name not in trusted:  # A server cannot call itself what stands for no name.
        return False
    if name == GMAIL:
        return all(_BY_GOOGLE.match(one) for one in received)
    return len(received) <= 1


def authserv_id_of(text: str) -> str | None:
    """Return the lower-case id of who wrote a field; None where it names nobody, or a version that is unknown.

    A field without an id begins with a result at once, as Microsoft's do.
    """
    words = _split(_without_comments(text))[0].split()
    if not words or "=" in words[0]:
        return None
    if len(words) > 2 or (len(words) == 2 and words[1] != "1"):
        return ""
    return words[0].strip('"').lower()


def read_results(text: str) -> tuple[MethodResult, ...]:
    """Return the verdicts of one field's value, in its order; nothing for text that is not such a field.

    Microsoft's form, which has no id in front of the first result, is read too.
    """
    if len(text) > TEXT_MAX:
        return ()
    sections = _split(_without_comments(text))
    if authserv_id_of(text) is not None:
        del sections[0]
    found = []
    for section in sections:
        tokens = _TOKEN.findall(section)
        if not tokens or "=" not in tokens[0]:
            continue
        method, _, result = tokens[0].partition("=")
        properties: dict[str, str] = {}
        for token in tokens[1:]:
            name, equals, value = token.partition("=")
            if equals:
                properties.setdefault(name.lower(), value.strip('"'))
        found.append(MethodResult(method.partition("/")[0].lower(), result.lower(), properties))
    return tuple(found)


def is_dmarc_pass(results: Iterable[MethodResult], domain: str) -> bool:
    """Say whether they hold a DMARC pass for exactly this canonical From domain.

    Another reader's idea of the From is no proof of ours.  What Microsoft thinks of the whole (compauth) may take a
    pass away, and never makes one.  Two results that differ say nothing: a server repeats what a sender wrote, and one that
    does not quote it lets the sender write a result of his own beside the true one.
    """
    found = list(results)
    if any(one.method == "compauth" and one.result in {"fail", "softfail"} for one in found):
        return False
    said = [one for one in found if one.method == "dmarc"]
    return bool(said) and all(
        one.result == "pass" and _domain_of(one.properties.get("header.from", "")) == domain
        for one in said
    )


def _domain_of(text: str) -> str | None:
    try:
        return canonical_domain(text.strip("<>").rpartition("@")[2])
    except InvalidAddressError:
        return None


def _without_comments(text: str) -> str:
    """Drop (nested) comments, which may hold anything, and the spaces around equals signs and dots."""
    kept = []
    depth = 0
    quoted = escaped = False
    for char in text:
        if escaped:
            escaped = False
        elif char == "\\" and (quoted or depth):  # Elsewhere it is a character (RFC 5322 3.2.1).
            escaped = True
        elif depth == 0 and char == '"':
            quoted = not quoted
        elif not quoted and char == "(":
            depth += 1
        elif not quoted and char == ")" and depth:
            depth -= 1
            kept.append(" ")
            continue
        if depth == 0:
            kept.append(char)
    if quoted or depth:  # What is never closed may hide anything.
        return ""
    # Runs first: an expression that looks for spaces before an equals sign tries each of a run.
    return _SPACES.sub(" ", "".join(kept)).replace(" =", "=").replace("= ", "=")


def _split(text: str) -> list[str]:
    """Split at semicolons outside quotes."""
    sections = [""]
    quoted = escaped = False
    for char in text:
        if escaped:
            escaped = False
        elif char == "\\" and quoted:
            escaped = True
        elif char == '"':
            quoted = not quoted
        if char == ";" and not quoted:
            sections.append("")
        else:
            sections[-1] += char
    return sections
