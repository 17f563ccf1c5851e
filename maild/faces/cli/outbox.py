"""`maild outbox …`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from maild.faces.cli.context import of
from maild.faces.cli.group import group
from maild.faces.cli.output import table

if TYPE_CHECKING:
    from maild.core.outbox import ErrandView

app = group("What is to be sent, and how far it has come.")


@app.command("list")
def list_(
    ctx: typer.Context,
    state: Annotated[
        str | None, typer.Option(help="Those alone: waiting, done or dead.", metavar="STATE")
    ] = None,
) -> None:
    """List errands, the newest first."""
    from maild.core.outbox import list_errands
    from maild.faces.cli.options import WrongUsageError
    from maild.model.errand import ErrandState

    cli = of(ctx)
    if state is not None and state not in set(ErrandState):
        raise WrongUsageError(f"--state is one of: {', '.join(ErrandState)}.")
    wanted = None if state is None else ErrandState(state)
    account = None if cli.account_slug is None else cli.account_id
    found = list_errands(cli.app, wanted, account_id=account, by=cli.by)
    cli.emit(found, _shown(found))


@app.command("retry")
def retry(ctx: typer.Context, ids: Annotated[list[str], typer.Argument(metavar="ID…")]) -> None:
    """Try errands at once that are dead, or wait for their time."""
    from maild.core.outbox import retry_errands

    cli = of(ctx)
    found = retry_errands(cli.app, ids, by=cli.by)
    cli.emit(found, _shown(found))


def _shown(found: Sequence[ErrandView]) -> str:
    if not found:
        return "Nothing is in the outbox."
    rows = [
        (one.id, one.state, one.to, one.attempts, one.due_at or one.done_at, one.last_error)
        for one in found
    ]
    return table(("ID", "STATE", "TO", "TRIES", "NEXT OR DONE", "LAST ERROR"), rows)
