"""Values of core as JSON documents: the same shapes by every face."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from maild.core.people import UserAdded
    from maild.core.tokens import TokenMade
    from maild.core.webhook_views import HookMade


def document(value: Any) -> Any:
    """Return what JSON shows of a value: dataclasses as objects, times as ISO 8601 UTC, enumerations as words."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        named = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {name: document(item) for name, item in named}
    match value:
        case Enum():
            return value.value
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        case Mapping():
            return {str(key): document(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [document(item) for item in value]
        case _:
            return value


def added_user(added: UserAdded) -> dict[str, Any]:
    """Return a user that was added, and beside it what was warned of or is to be asked."""
    return {
        **document(added.user),
        "outcome": added.outcome,
        "warnings": list(added.warnings),
        "question": document(added.question),
    }


def made_token(made: TokenMade) -> dict[str, Any]:
    """Return a token that was made, and its secret for this one time."""
    return {**document(made.token), "secret": made.secret}


def made_webhook(made: HookMade) -> dict[str, Any]:
    """Return a webhook with a new secret, for this one time."""
    return {**document(made.webhook), "secret": made.secret}
