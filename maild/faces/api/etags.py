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
IfOwnerMatch = Annotated[
    str | None,
    Header(
        description="ETags of the mail: it must be where it was when one of these was told.  What else changed since, "
        "as a status or a note, stands in nobody's way.",
        alias="If-Match",
        max_length=LINE_MAX,
    ),
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


def versions_of(if_match: str | None) -> frozenset[int] | None:
    """Return the versions that tags of a mail say, one of which it must have; None: any will do.

    Raises RefusedError INVALID_REQUEST where none is a tag of a mail.
    """
    found = tags(if_match)
    if found is None or "*" in found:
        return None
    said = {tag.partition("-")[0] for tag in found}
    versions = {int(one) for one in said if _is_version(one)}
    if not versions:
        raise RefusedError(
            Reason.INVALID_REQUEST, why="header.if-match: it is no ETag of a mail, as GET tells it"
        )
    return frozenset(versions)


def _is_version(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _DIGITS_MAX
