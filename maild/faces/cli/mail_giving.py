"""`maild mail give|take|undo`: whose a mail is."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maild.faces.cli import mail_words
from maild.faces.cli.context import Context, of
from maild.faces.cli.mail_shared import SHOWN_AFTER, Id, a_reader, reason_of, state_of, tell, told
from maild.faces.cli.options import WrongUsageError
from maild.faces.cli.plain import line
from maild.model.plain_text import so_many
from maild.model.reason import Reason
from maild.model.states import State

if TYPE_CHECKING:
    from maild.core.giving import GivenMany
    from maild.core.lists import Wanted

commands = typer.Typer()
"""Joined to the others of `maild mail`."""


@commands.command()
def give(
    ctx: typer.Context,
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID…]", help="Ids; or name mails by --search and the like."),
    ] = None,
    *,
    to: Annotated[str, typer.Option(metavar="EMAIL", help="Who gets it.")],
    note: Annotated[str, typer.Option(help="Why; it is kept in the history.")] = "",
    version: Annotated[
        int | None,
        typer.Option(help="The version that you saw; refused if somebody moved it since."),
    ] = None,
    search: Annotated[
        str | None, typer.Option(metavar="QUERY", help="All that are found by this.")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(metavar="NAME", help="All that a saved search finds.")
    ] = None,
    owner: Annotated[str | None, typer.Option(metavar="EMAIL", help="All in this mailbox.")] = None,
    inbox: Annotated[
        str | None, typer.Option(metavar="ADDR", help="All that came through this inbox.")
    ] = None,
    state: Annotated[
        State | None, typer.Option(parser=state_of, metavar="STATE", help="All in this state.")
    ] = None,
    reason: Annotated[
        Reason | None, typer.Option(parser=reason_of, metavar="CODE", help="All for this reason.")
    ] = None,
    client: Annotated[
        str | None, typer.Option(metavar="ID", help="All filed under this client.")
    ] = None,
    unread: Annotated[bool, typer.Option("--unread", help="Only unread mail.")] = False,
    status: Annotated[str | None, typer.Option(help="All with this status.")] = None,
    all_received: Annotated[
        bool, typer.Option("--all-received", help="All mail of shared inboxes.")
    ] = False,
    conversation: Annotated[
        bool, typer.Option("--conversation", help="The whole conversation of one mail.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count what a search would move.")
    ] = False,
) -> None:
    """Give mails to a colleague, who sees them unread: some by their ids, or all that are found, 10,000 in one act."""
    from maild.core.lists import Wanted, user_id_of
    from maild.core.mailbox import give as give_mails

    cli = of(ctx)
    wanted = Wanted(
        account=cli.account_slug,
        owner=owner,
        inbox=inbox,
        state=state,
        reason=reason,
        client=client,
        unread=unread,
        status=status,
        all_received=all_received,
        search=search,
        profile=profile,
    )
    is_found = wanted != Wanted(account=cli.account_slug)
    if bool(ids) == is_found:
        raise WrongUsageError("Name mails by their ids, or by --search and the like, and not both.")
    if ids and dry_run:
        raise WrongUsageError("--dry-run counts what a search finds; leave it out with ids.")
    if version is not None and not ids:
        raise WrongUsageError("--version is of one mail; leave it out with a search.")
    if conversation and len(ids or ()) != 1:
        raise WrongUsageError("--conversation is of one mail: name its id.")
    taker = user_id_of(cli.app, to, by=cli.by)
    if ids and conversation:
        _give_conversation(cli, ids[0], taker, note, version, line(to))
    elif ids:
        change = give_mails(cli.app, ids, to=taker, by=cli.by, note=note, seen_version=version)
        told(cli, change, f"Given to {line(to)}")
    elif dry_run:
        _count(cli, wanted, taker, line(to))
    else:
        _give_found(cli, wanted, taker, note, line(to))


def _count(cli: Context, wanted: Wanted, to: int, name: str) -> None:
    from maild.core.giving import find_to_give

    found = find_to_give(cli.app, wanted, to=to, by=cli.by)
    more = "; there are more, which a second time would give" if found.more else ""
    tell(cli, asdict(found), [f"To be given to {name}: {so_many(found.found)}{more}."])


def _give_found(cli: Context, wanted: Wanted, to: int, note: str, name: str) -> None:
    from maild.core.giving import give_found

    with until_interrupted(cli, "given") as go_on:
        done = give_found(cli.app, wanted, to=to, by=cli.by, note=note, go_on=go_on)
    _tell_given(cli, done, name)


def _give_conversation(
    cli: Context, id_: str, to: int, note: str, version: int | None, name: str
) -> None:
    from maild.core.conversations import give_conversation

    done = give_conversation(cli.app, id_, to=to, by=cli.by, note=note, seen_version=version)
    _tell_given(cli, done, name)


def _tell_given(cli: Context, done: GivenMany, name: str) -> None:
    document: dict[str, Any] = {"change": done.id}
    document |= {key: value for key, value in asdict(done).items() if key != "id"}
    tell(cli, document, _given_lines(done, name))
    if done.stopped is not None:
        cli.exit = 1


def _given_lines(done: GivenMany, name: str) -> Iterator[str]:
    yield f"Given to {name}: {so_many(len(done.moved))}."
    if done.unchanged:
        shown = ", ".join(done.unchanged[:SHOWN_AFTER])
        yield f"Left as they were: {so_many(len(done.unchanged))}: {shown}"
    if done.stopped is not None:
        yield f"{line(done.stopped)} The same command goes on."
    elif done.more:
        yield "There are more: the same command gives them, too."
    if done.moved:
        yield f"Change {done.id}"


@contextmanager
def until_interrupted(cli: Context, verb: str) -> Iterator[Callable[[int, int], bool]]:
    """Yield what tells the progress of a long act, and ends it after the portion in which Ctrl-C was pressed."""
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))

    def go_on(done: int, of_all: int) -> bool:
        if of_all > done or of_all > SHOWN_AFTER:
            cli.say(f"{done} of {so_many(of_all)} {verb} …")
        return not pressed

    try:
        yield go_on
    finally:
        signal.signal(signal.SIGINT, before)


@commands.command()
def thread(ctx: typer.Context, id_: Id) -> None:
    """List the conversation of a mail, across inboxes, oldest first."""
    from maild.core.conversations import show_conversation

    cli = of(ctx)
    found = show_conversation(cli.app, id_, by=cli.by).mails
    tell(cli, found, mail_words.list_lines(found))


@commands.command()
def take(
    ctx: typer.Context,
    id_: Id,
    version: Annotated[int | None, typer.Option(help="The version that you saw.")] = None,
) -> None:
    """Take a mail into the mailbox of --by EMAIL."""
    from maild.core.mailbox import take as take_mail

    cli = of(ctx)
    told(cli, take_mail(cli.app, id_, by=cli.by, seen_version=version), "Taken")


@commands.command()
def undo(
    ctx: typer.Context,
    change: Annotated[
        str | None,
        typer.Argument(
            metavar="[CHANGE]", help="Which act; without it your newest, or with no --by anybody's."
        ),
    ] = None,
) -> None:
    """Undo giving, taking, dismissing or releasing: owners and read flags are restored."""
    from maild.core.mailbox import newest_change, undo as undo_change

    cli = of(ctx)
    change_id = change if change is not None else newest_change(cli.app, cli.account_id, by=cli.by)
    with a_reader() as reader, until_interrupted(cli, "looked at") as go_on:
        done = undo_change(cli.app, reader, by=cli.by, change_id=change_id, go_on=go_on)
    told(cli, done, "Undone")
    if done.stopped is not None:
        cli.say(f"To go on: maild mail undo {change_id}")
