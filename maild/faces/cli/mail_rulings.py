"""`maild mail …`: what people say of a mail, after which it is decided again; and mails fetched whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from maild.faces.cli.context import Context, of
from maild.faces.cli.mail_repair import file_remembering
from maild.faces.cli.mail_shared import (
    SHOWN_AFTER,
    Ids,
    a_reader,
    reason_of,
    tell,
    told,
)
from maild.faces.cli.options import WrongUsageError
from maild.faces.cli.plain import line
from maild.model.plain_text import so_many
from maild.model.reason import Reason

if TYPE_CHECKING:
    pass

commands = typer.Typer()
"""Joined to the others of `maild mail`."""


@commands.command()
def dismiss(ctx: typer.Context, ids: Ids) -> None:
    """Take mails out of the mailboxes; `maild mail undo` brings them back."""
    from maild.core.rulings import dismiss as dismiss_mails

    cli = of(ctx)
    with a_reader() as reader:
        change = dismiss_mails(cli.app, reader, ids, by=cli.by)
    told(cli, change, "Put away")


@commands.command()
def release(ctx: typer.Context, ids: Ids) -> None:
    """Take back what put mails aside (a spam mark, a dismissal, a machine's hand), and decide them again."""
    from maild.core.rulings import release_mails

    cli = of(ctx)
    with a_reader() as reader:
        change = release_mails(cli.app, reader, ids, by=cli.by)
    told(cli, change, "Released")


Client = Annotated[
    str, typer.Option(metavar="ID", help="The client, as `maild client list` shows.")
]


@commands.command()
def file(
    ctx: typer.Context,
    ids: Ids,
    client: Client,
    remember: Annotated[
        bool, typer.Option("--remember", help="Let the next mail of that address go there, too.")
    ] = False,
) -> None:
    """File mails under a client by hand."""
    from maild.core.rulings import file_by_hand

    cli = of(ctx)
    if remember:
        file_remembering(cli, ids, client)
        return
    with a_reader() as reader:
        change = file_by_hand(cli.app, reader, ids, client=client, by=cli.by)
    told(cli, change, "Filed")


@commands.command()
def unfile(ctx: typer.Context, ids: Ids, client: Client) -> None:
    """Take mails off a client."""
    from maild.core.rulings import unfile as unfile_mails

    cli = of(ctx)
    with a_reader() as reader:
        change = unfile_mails(cli.app, reader, ids, client=client, by=cli.by)
    told(cli, change, "Taken off")


@commands.command()
def retry(
    ctx: typer.Context,
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID…", help="Which mails.")] = None,
    reason: Annotated[
        Reason | None,
        typer.Option(parser=reason_of, metavar="CODE", help="Or all with this reason."),
    ] = None,
) -> None:
    """Decide mails again in place, with today's directory."""
    cli = of(ctx)
    if bool(ids) == (reason is not None):
        raise WrongUsageError("Name mails, or --reason CODE, and not both.")
    decided = (
        _retried(cli, [list(dict.fromkeys(ids))]) if ids else _retried(cli, _portions(cli, reason))
    )
    if len(decided) > SHOWN_AFTER:
        tell(
            cli,
            {"count": len(decided), "retried": decided},
            [f"Decided again: {so_many(len(decided))}."],
        )
        return
    _tell_outcomes(cli, decided)


def _portions(cli: Context, reason: Reason | None) -> Iterable[list[str]]:
    from maild.core.lists import mails_with_reason

    return () if reason is None else mails_with_reason(cli.app, cli.account_slug, reason, by=cli.by)


def _retried(cli: Context, portions: Iterable[list[str]]) -> list[str]:
    from maild.core.decide import BATCH
    from maild.core.rulings import retry as retry_mails

    done: list[str] = []
    with a_reader() as reader:
        for portion in portions:
            for start in range(0, len(portion), BATCH):
                some = portion[start : start + BATCH]
                done += retry_mails(cli.app, reader, some, by=cli.by).moved
                if len(done) > SHOWN_AFTER:
                    cli.say(f"{so_many(len(done))} decided again …")
    return done


def _tell_outcomes(cli: Context, ids: Sequence[str]) -> None:
    from maild.core.views import show_mail

    with a_reader() as reader:
        shown = [show_mail(cli.app, reader, ulid, by=cli.by) for ulid in ids]
    keys = ("id", "state", "reason", "reason_text", "owner")
    outcomes = [{key: mail[key] for key in keys} for mail in shown]
    lines = [
        f"{mail['id']}  {mail['state']}  {mail['reason'] or '-'}: {line(mail['reason_text'])}"
        for mail in outcomes
    ] or ["No mail has that reason."]
    tell(cli, {"count": len(ids), "retried": list(ids), "mails": outcomes}, lines)


@commands.command()
def fetch(ctx: typer.Context, ids: Ids) -> None:
    """Fetch mails whole of which only the header came because they are too large; raise the limit first."""
    from maild.core.giants import ask_for_whole

    cli = of(ctx)
    asked = ask_for_whole(cli.app, ids, max_size=cli.settings.sources.max_size, by=cli.by)
    text = (
        f"Asked for: {len(asked.mails)} mail{'' if len(asked.mails) == 1 else 's'}, "
        f"from {', '.join(asked.sources)}. The whole mail comes in as a mail of its own; this record is put away then."
    )
    tell(cli, {"mails": asked.mails, "sources": asked.sources}, [text])
