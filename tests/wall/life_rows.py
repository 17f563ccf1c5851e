"""Use cases about the life of mail: bringing in old mail."""

from __future__ import annotations

from maild.core import archives
from maild.core.archives import Import
from tests.core.company import READER
from tests.wall.rows import ADMIN, Row

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
]
