"""ETags (RFC 9110 8.8.3, 13.1): what somebody saw of a thing, for who would rather not get, or change, another one."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any

from fastapi import Header

from maild.faces.api.calls import Told
from maild.faces.api.words import LINE_MAX
from maild.faces.documents import document
from maild.model.reason import Reason, RefusedError

HTTP_NOT_MODIFIED = 304
_DIGITS_MAX = 9
_DIGEST = 20

IfMatch = Annotated[
    str | None,
    Header(description="ETags, one of which the thing must have.", max_length=LINE_MAX),
]
IfNoneMatch = Annotated[
    str | None,
    Header(
        description="ETags that the thing must not have; * where it must be new.",
        max_length=LINE_MAX,
    ),
]


def tags(text: str | None) -> frozenset[str] | None:
    """Return the tags of a header field; a weak one is no tag of ours, and matches nothing."""
    if text is None:
        return None
    return frozenset(part.strip().removeprefix('"').removesuffix('"') for part in text.split(","))


def tagged(value: Any, tag: str, if_none_match: str | None, *, status: int = 200) -> Told:
    """Answer with a thing and its tag; without it where the asker has it already."""
    header = {"ETag": f'"{tag}"'}
    if not (tags(if_none_match) or frozenset()).isdisjoint({"*", tag}):
        return Told(None, HTTP_NOT_MODIFIED, header)
    return Told(value, status, header)


def tag_of_mail(mail: dict[str, Any]) -> str:
    """Return the tag of a mail: the version of its place in a mailbox, and a digest of all that is shown."""
    shown = json.dumps(document(mail), sort_keys=True, default=str)
    return f"{mail['version'] or 0}-{hashlib.sha256(shown.encode()).hexdigest()[:_DIGEST]}"


def version_of(if_match: str | None) -> int | None:
    """Return the version that a mail's tag says.  Raises RefusedError INVALID_REQUEST for what is no tag of a mail."""
    if if_match is None:
        return None
    version = if_match.strip().strip('"').partition("-")[0]
    if not (version.isascii() and version.isdecimal() and len(version) <= _DIGITS_MAX):
        raise RefusedError(
            Reason.INVALID_REQUEST, why="header.if-match: it is no ETag of a mail, as GET tells it"
        )
    return int(version)
