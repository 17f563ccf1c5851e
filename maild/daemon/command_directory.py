"""`maild directory …`: the company's CRM, from which an account's clients come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from maild.faces.cli.context import Context, of
from maild.faces.cli.group import changes_of, group
from maild.faces.cli.output import fields, table

if TYPE_CHECKING:
    from maild.core.clients_following import DirectoryView

app = group("The directory that an account's clients come from.")


@app.command("plugs")
def plugs(ctx: typer.Context) -> None:
    """List the plugs that are installed, of every kind."""
    from maild.plugs.contracts import Kind
    from maild.plugs.loader import plug_names

    found = [{"kind": kind.value, "name": name} for kind in Kind for name in plug_names(kind)]
    of(ctx).emit(found, table(("KIND", "NAME"), [(one["kind"], one["name"]) for one in found]))


@app.command("set")
def set_(
    ctx: typer.Context,
    plug: Annotated[str, typer.Argument(metavar="PLUG", help="As `maild directory plugs` says.")],
    options: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE…", help="What the plug takes.")
    ] = None,
    every: Annotated[int, typer.Option(metavar="SECONDS")] = 300,
) -> None:
    """Have an account follow a directory, from its first entry on.  The operator's alone."""
    from maild.core.clients_following import set_directory
    from maild.core.standing import require_operator
    from maild.model.reason import Reason, RefusedError
    from maild.plugs.contracts import Kind
    from maild.plugs.loader import PlugError, load

    cli = of(ctx)
    require_operator(cli.by)
    given = changes_of(options or [])
    try:
        load(Kind.DIRECTORY, plug, given)
    except PlugError as error:
        raise RefusedError(Reason.CONFLICT, why=str(error)) from error
    found = set_directory(cli.app, plug, given, every_s=every, account=cli.account_slug, by=cli.by)
    cli.emit(found, f"{found.account} follows {found.plug}, every {found.every_s} s.")
    cli.say("The daemon asks it when it is due; at once: maild directory sync")


@app.command("show")
def show(ctx: typer.Context) -> None:
    """Show an account's directory, and how it goes."""
    from maild.core.clients_following import show_directory

    cli = of(ctx)
    _tell(cli, show_directory(cli.app, account=cli.account_slug, by=cli.by))


def _tell(cli: Context, found: DirectoryView) -> None:
    pairs: list[tuple[str, object]] = [
        ("account", found.account),
        ("plug", found.plug),
        ("state", found.state),
        ("last success", found.last_ok_at),
        ("next try", found.next_try_at),
        ("trouble", found.trouble),
        ("refused", found.refused),
        ("last refusal", found.last_refusal),
    ]
    cli.emit(found, fields(pairs))


@app.command("sync")
def sync(ctx: typer.Context) -> None:
    """Ask an account's directory now, to its end."""
    import asyncio
    import math

    from maild.core.clients_following import DirectoryLostError, take_directory
    from maild.daemon.directories import Patience, follow
    from maild.faces.cli.client import offer_clients
    from maild.model.reason import Reason, RefusedError
    from maild.plugs.loader import PlugError

    cli = of(ctx)
    following = take_directory(cli.app, account=cli.account_slug, by=cli.by)
    try:
        counts = asyncio.run(follow(cli.app, following, Patience(round=math.inf)))
    except PlugError as error:
        why = f"The directory {following.plug} does not answer as it should: {error}"
        raise RefusedError(Reason.CONFLICT, why=why) from error
    except DirectoryLostError as error:
        why = "Somebody else asks the directory by now: see `maild directory show`."
        raise RefusedError(Reason.CONFLICT, why=why) from error
    said = ", ".join(f"{count} {word}" for word, count in sorted(counts.items()) if count)
    cli.emit(counts, f"{following.plug}: {said or 'nothing has changed'}.")
    offer_clients(cli)


@app.command("remove")
def remove(ctx: typer.Context) -> None:
    """Let an account follow none any more; its clients stay."""
    from maild.core.clients_following import remove_directory

    cli = of(ctx)
    remove_directory(cli.app, account=cli.account_slug, by=cli.by)
    cli.emit({"removed": True}, "It follows none any more; the clients stay.")
