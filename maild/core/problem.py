"""A refusal as HTTP says it: a problem document (RFC 9457).  Pure; never an exception's own words."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from maild.model.reason import Reason

RETRY_AFTER_S = 60
"""What a peer is told to wait when the fault is ours."""
_TRY_AGAIN = {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}


def problem(reason: Reason, facts: Mapping[str, Any]) -> dict[str, object]:
    """Return the problem document of a refusal; `code` is what programs match."""
    status = HTTPStatus(reason.value.http)
    sentence = reason.say(**facts)
    end = "" if sentence.endswith(("?", "!")) else "."
    return {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": f"{sentence[:1].upper()}{sentence[1:].rstrip('.')}{end}",
        "code": reason.code,
    }


def retry_after(reason: Reason, facts: Mapping[str, Any]) -> dict[str, str]:
    """Return the header that says when to come back, where that is of use."""
    if reason.value.http not in _TRY_AGAIN:
        return {}
    if reason is Reason.TOO_MANY_REQUESTS:
        return {"Retry-After": str(facts["seconds"])}
    minutes = facts.get("minutes")
    seconds = 60 * minutes if isinstance(minutes, int) and minutes > 0 else RETRY_AFTER_S
    return {"Retry-After": str(seconds)}
