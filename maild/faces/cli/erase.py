"""`maild erase`: mail taken out for good.  The operator's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from maild.faces.cli.context import of
from maild.faces.cli.options import WrongUsageError
from maild.model.plain_text import so_many

if TYPE_CHECKING:
    from datetime import datetime

    from maild.core.app import App


def erase_mails(
    ctx: typer.Context,
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID…]", help="These mails.")] = None,
    *,
    client: Annotated[
        str | None,
        typer.Option(metavar="ID", help="What is filed under it, or written from its addresses."),
    ] = None,
    user: Annotated[
        str | None,
        typer.Option(metavar="EMAIL", help="What lies in this mailbox, or this user sent in."),
    ] = None,
    inbox: Annotated[
        str | None, typer.Option(metavar="ADDR", help="What came to this inbox.")
    ] = None,
    older_than: Annotated[
        str | None, typer.Option(metavar="AGE|DATE", help="3y, 90d, or a day: 2023-12-31.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without, it is only counted.")] = False,
) -> None:
    """Erase mails: their content goes and does not come back, what was fetched stays known.

    What is named together narrows: --client ID --older-than 3y is what is both.
    """
    from maild.core.erasing import Erasure, erase, find_to_erase

    cli = of(ctx)
    erasure = Erasure(
        account=cli.account_slug,
        ids=tuple(ids or ()),
        inbox=inbox,
        client=client,
        user=user,
        before=None if older_than is None else _before(cli.app, older_than),
    )
    found = find_to_erase(cli.app, erasure, by=cli.by)
    told = {"found": found.count, "oldest": found.oldest, "newest": found.newest}
    if ids and found.count < len(set(ids)):
        cli.say(
            f"{len(set(ids)) - found.count} of those named stay: erased before, not decided yet, not taken by"
            " the relay yet, or not what stands beside them."
        )
    since = f", of {found.oldest:%Y-%m-%d} to {found.newest:%Y-%m-%d}" if found.oldest and found.newest else ""  # fmt: skip
    if not yes:
        text = f"{so_many(found.count)} would be erased{since}. To erase them for good: --yes"
        cli.emit({**told, "erased": 0}, text)
        return

    def tell(done: int) -> bool:
        if done % 1000 == 0:
            cli.say(f"{done} of {found.count} erased")
        return True

    done = erase(cli.app, erasure, by=cli.by, go_on=tell)
    cli.emit({**told, "erased": done}, f"{so_many(done)} erased{since}.")


def _before(app: App, text: str) -> datetime:
    from datetime import UTC, datetime

    from maild.model.ages import age_of

    try:
        day = datetime.fromisoformat(text)
        return day.replace(tzinfo=UTC) if day.tzinfo is None else day
    except ValueError:
        pass
    try:
        age = age_of(text)
    except ValueError:
        age = None
    if age is None:
        raise WrongUsageError(
            f"--older-than: “{text[:40]}” is no age (90d, 6w, 18mo, 3y) and no day (2023-12-31)."
        )
    return app.clock() - age
