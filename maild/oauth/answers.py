"""Reading what a token service says, for every provider alike.

Of a refusal only its short code is told: the rest is text of a stranger's, and may repeat what was sent.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from maild.core.remote import RemoteError, Trouble
from maild.oauth.line import Answer
from maild.oauth.provider import Grant

LIFE_UNSAID_S = 600.0
"""RFC 6749 5.1 lets a service leave it out; then a short one is a safe one."""
_LIFE_MAX_S = 86_400.0
_TOKEN_MAX = 16 * 1024
# A person must sign in, consent or be allowed again (RFC 6749 5.2, RFC 8628 3.5, OpenID Connect Core 3.1.2.6).
_SIGN_IN_AGAIN = frozenset(
    {
        "invalid_grant",
        "interaction_required",
        "consent_required",
        "login_required",
        "access_denied",
        "authorization_declined",
        "expired_token",
        "authorization_pending",
    }
)
_LATER = frozenset({"server_error", "temporarily_unavailable", "slow_down", "internal_failure"})
_CODE = re.compile(r"[a-z_]{1,40}")


def grant_in(answer: Answer) -> Grant:
    """Return what was granted.  Raises RemoteError."""
    found = object_in(answer)
    if answer.status >= 400 or "error" in found:
        raise refusal(found, answer.status)
    return grant_of(found)


def grant_of(found: Mapping[str, Any]) -> Grant:
    """Return what was granted.  Raises RemoteError(BROKEN_PROTOCOL)."""
    token = found.get("access_token")
    if not _is_token(token):
        raise RemoteError(Trouble.BROKEN_PROTOCOL, "the token service gave no token")
    following = found.get("refresh_token")
    return Grant(
        str(token), _life(found.get("expires_in")), following if _is_token(following) else None
    )


def refusal(found: Mapping[str, Any], status: int = 400) -> RemoteError:
    """Return what a refusal comes to."""
    code = found.get("error")
    word = code if isinstance(code, str) and _CODE.fullmatch(code) else f"status {status}"
    numbers = found.get("error_codes")
    number = numbers[0] if isinstance(numbers, list) and numbers else None
    # Microsoft's own number says more: AADSTS65001 is a lack of consent.
    said = f"{word} AADSTS{number}" if type(number) is int and 0 < number < 10**8 else word
    if word in _SIGN_IN_AGAIN:
        return RemoteError(Trouble.SIGN_IN_AGAIN, said)
    if word in _LATER:
        return RemoteError(Trouble.LOGIN_LATER, said)
    return RemoteError(Trouble.REFUSED_LOGIN, said)


def object_in(answer: Answer) -> dict[str, Any]:
    """Return the JSON object.  Raises RemoteError(BROKEN_PROTOCOL)."""
    found: object = None
    try:
        found = json.loads(answer.text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        said = f"the token service gave no JSON object, with status {answer.status}"
        raise RemoteError(Trouble.BROKEN_PROTOCOL, said)
    return found


def _is_token(value: object) -> bool:
    # RFC 6750 2.1: it must not bring an end of line or a ^A into what we say to a mail server.
    return (
        isinstance(value, str)
        and 0 < len(value) <= _TOKEN_MAX
        and value.isascii()
        and value.isprintable()
        and " " not in value
    )


def _life(value: object) -> float:
    try:
        life = float(value) if isinstance(value, int | float | str) else LIFE_UNSAID_S
    except (ValueError, OverflowError):
        life = LIFE_UNSAID_S
    return min(max(life, 0.0), _LIFE_MAX_S) if math.isfinite(life) else LIFE_UNSAID_S
