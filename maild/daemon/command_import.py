"""`maild import`: old mail out of files, silently, with its own dates, each mail once (D13)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from maild.faces.cli.context import Context, of
from maild.faces.cli.options import WrongUsageError
from maild.faces.cli.output import table

if TYPE_CHECKING:
    from maild.daemon.importing import Tally


def import_mail(
    ctx: typer.Context,
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PATH…]", help="mbox files, Maildirs, folders of .eml."),
    ] = None,
    *,
    inbox: Annotated[str, typer.Option(metavar="ADDR", help="The inbox that it goes to.")],
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="Only what came in on this day or later.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Out of the mailbox of this IMAP source, instead."),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="End once so many are new, after their batch of 100."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count and read; store nothing.")
    ] = False,
    unread: Annotated[
        bool, typer.Option("--unread", help="Leave unread what was not read where it lay.")
    ] = False,
    authenticated_for: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DOMAIN",
            help="The senders of this domain were proven where this comes from: an archive of your own server.",
        ),
    ] = None,
) -> None:
    """Import old mail into an inbox.  Silent; Ctrl-C ends it after the batch in hand; run again, it goes on."""
    import os

    from maild.core.archives import Import
    from maild.daemon.arming import arm_failpoints
    from maild.daemon.importing import Order, run
    from maild.daemon.importing_imap import run_imap

    cli = of(ctx)
    if bool(paths) is (source is not None):
        raise WrongUsageError("Name files or folders, or one --source.")
    arm_failpoints(cli.settings, os.environ)
    how = Import(
        inbox=inbox,
        account=cli.account_slug,
        since=_day(since),
        authenticated_for=tuple(authenticated_for or ()),
    )
    order = Order(paths=paths or (), how=how, limit=limit, is_dry=dry_run, with_unread=unread)
    _tell(cli, run(cli, order) if source is None else run_imap(cli, order, source))


def _day(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise WrongUsageError(f"--since: “{text[:40]}” is not a day, such as 2026-11-20.") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


def _tell(cli: Context, tally: Tally) -> None:
    counts = ("new", "known", "erased", "older", "broken", "failed")
    header = ("FILE", *(name.upper() for name in counts))
    rows = [(one.file, *(getattr(one, name) for name in counts)) for one in tally.files]
    if len(rows) > 1:
        rows.append(("together", *(getattr(tally, name) for name in counts)))
    document = {
        "dry_run": tally.is_dry,
        "complete": tally.is_complete,
        **{name: getattr(tally, name) for name in counts},
        "files": tally.files,
        "failures": tally.failures,
    }
    cli.emit(document, table(header, rows))
    for failure in tally.failures:
        cli.say(f"{failure.place}: {failure.why}")
    if not tally.is_complete:
        cli.say(tally.how_to_go_on)
    if tally.failed:
        cli.exit = 1
