"""Use cases about the life of mail: bringing in old mail, erasing, exporting."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from maild.core import archives, archives_listed, erasing, exporting
from maild.core.app import Actor, App
from maild.core.archives import Import
from maild.core.erasing import Erasure
from tests.core.company import READER
from tests.wall.rows import ADMIN, NONE, Look, Row

_A_SOURCE: Any = SimpleNamespace(id=0, folder="")


def _asked(function: Callable[..., Any]) -> Look:
    return lambda app, by, it, at: function(app, Erasure(ids=(it,), account=at), by=by)


def _exported(kind: str) -> Look:
    def look(app: App, by: Actor, it: str, at: str | None) -> Any:
        named: dict[str, Any] = {kind: it}
        return exporting.find_to_export(app, account=at, by=by, **named)

    return look


ROWS = [
    Row(
        archives.look_over,
        "inbox",
        lambda app, by, it, at: archives.look_over(app, [], Import(inbox=it, account=at), by=by),
        own=ADMIN,
        colleagues=ADMIN,
    ),
    Row(
        archives.bring_in,
        "inbox",
        lambda app, by, it, at: archives.bring_in(
            app, READER, [], Import(inbox=it, account=at), by=by
        ),
        own=ADMIN,
        colleagues=ADMIN,
    ),
    Row(
        archives_listed.unknown_on_server,
        "inbox",
        lambda app, by, it, at: archives_listed.unknown_on_server(
            app, _A_SOURCE, 1, [], Import(inbox=it, account=at), by=by
        ),
        own=ADMIN,
        colleagues=ADMIN,
    ),
    *(
        Row(function, "mail", _asked(function), own=NONE, colleagues=NONE)
        for function in (erasing.find_to_erase, erasing.erase)
    ),
    Row(
        erasing.find_outlived,
        "none",
        lambda app, by, it, at: erasing.find_outlived(app, at or "acme", "retention", "3y", by=by),
        own=NONE,
        ignores_account=True,
    ),
    *(
        Row(exporting.find_to_export, kind, _exported(kind), own=ADMIN, colleagues=ADMIN)
        for kind in ("client", "user")
    ),
]
