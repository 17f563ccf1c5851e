"""`maild mail …`: lists, one mail, and what people do with mail."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maild.faces.cli import (
    mail_answering,
    mail_giving,
    mail_repair,
    mail_rulings,
    mail_words,
    mail_writing,
)
from maild.faces.cli.context import Context, of
from maild.faces.cli.group import group
from maild.faces.cli.mail_shared import (
    Id,
    Ids,
    a_reader,
    reason_of,
    state_of,
    tell,
)
from maild.faces.cli.options import WrongUsageError
from maild.faces.cli.plain import block, clock_time, line
from maild.model.reason import Reason, RefusedError
from maild.model.states import State

if TYPE_CHECKING:
    pass

commands = group("Lists of mail, one mail, and what people do with it.")


@commands.command("list")
def list_(
    ctx: typer.Context,
    *,
    owner: Annotated[str | None, typer.Option(metavar="EMAIL", help="In whose mailbox.")] = None,
    inbox: Annotated[str | None, typer.Option(metavar="ADDR", help="Through which inbox.")] = None,
    state: Annotated[
        State | None, typer.Option(parser=state_of, metavar="STATE", help="In which state.")
    ] = None,
    reason: Annotated[
        Reason | None, typer.Option(parser=reason_of, metavar="CODE", help="For which reason.")
    ] = None,
    client: Annotated[
        str | None, typer.Option(metavar="ID", help="Filed under which client.")
    ] = None,
    unread: Annotated[bool, typer.Option("--unread", help="Only unread mail.")] = False,
    status: Annotated[str | None, typer.Option(help="With which status.")] = None,
    all_received: Annotated[
        bool, typer.Option("--all-received", help="All mail of shared inboxes, whoever owns it.")
    ] = False,
    search: Annotated[
        str | None,
        typer.Option(metavar="QUERY", help="Only what it finds; docs/search.md has the fields."),
    ] = None,
    profile: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only what a saved search finds.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Mails of one page.")] = 50,
    after: Annotated[
        str | None,
        typer.Option(metavar="CURSOR", help="The id of the last mail of the page before."),
    ] = None,
) -> None:
    """List mails, newest first."""
    from maild.core.lists import Wanted, list_mails

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
        limit=limit,
        after=after,
    )
    page = list_mails(cli.app, wanted, by=cli.by)
    tell(cli, page.mails, mail_words.list_lines(page.mails))
    for note in page.notes:
        cli.say(note)
    if page.next is not None:
        cli.say(f"There are more: --after {page.next}")
    elif not page.mails:
        cli.say("No mail.")


@commands.command()
def show(
    ctx: typer.Context,
    id_: Id,
    raw: Annotated[bool, typer.Option("--raw", help="The bytes as they were received.")] = False,
    text: Annotated[bool, typer.Option("--text", help="Only the text.")] = False,
) -> None:
    """Show one mail."""
    from maild.core.views import raw_mail, show_mail

    cli = of(ctx)
    if raw and text:
        raise WrongUsageError("Take --raw or --text, not both.")
    if raw:
        _write(raw_mail(cli.app, id_, by=cli.by))
        return
    with a_reader() as reader:
        mail = show_mail(cli.app, reader, id_, by=cli.by)
    if not text:
        tell(cli, mail, mail_words.show_lines(mail))
        return
    if mail["text"] is None:
        raise RefusedError(
            Reason.CONFLICT,
            why=f"The mail {id_} has no text that could be read; --raw gives its bytes.",
        )
    cli.emit({"id": id_, "text": mail["text"]}, block(mail["text"]))


def _write(content: bytes | Path) -> None:
    """Write a mail's bytes to stdout, exactly."""
    out = sys.stdout.buffer
    if isinstance(content, bytes):
        out.write(content)
    else:
        with content.open("rb") as file:
            shutil.copyfileobj(file, out)
    out.flush()


@commands.command()
def attachment(
    ctx: typer.Context,
    id_: Id,
    part: Annotated[
        str | None,
        typer.Argument(metavar="[N]", help="Which, by the path that `maild mail show` gives it."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The file, or the folder where no such file is yet, to write it to; stdout without it."
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them, in one archive.")] = False,
) -> None:
    """Take an attachment out of a mail, as it was sent."""
    from maild.core import attachments

    cli = of(ctx)
    if (part is None) is not every:
        raise WrongUsageError("Name one attachment, or say --all.")
    with a_reader() as reader:
        if part is None:
            file = attachments.archive(cli.app, reader, id_, by=cli.by)
        else:
            file = attachments.attachment(cli.app, reader, id_, part, by=cli.by)
        if out is None:
            sys.stdout.buffer.writelines(file.pieces)
            sys.stdout.buffer.flush()
            return
        # In a folder the sender chose the name: it never takes the place of a file.
        into_folder = out.is_dir()
        path = out / file.name if into_folder else out
        size = _save(path, file.pieces, "xb" if into_folder else "wb")
    document = {"id": id_, "part": part, "name": file.name, "file": str(path), "size": size}
    tell(cli, document, [f"{line(str(path))}: {size} octets."])


def _save(path: Path, pieces: Iterator[bytes], mode: str) -> int:
    try:
        with path.open(mode) as file:
            return sum(file.write(piece) for piece in pieces)
    except FileExistsError:
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="--out",
            value=path,
            why="there is such a file; name another folder, or the file itself to write over it",
        ) from None
    except OSError as error:
        raise RefusedError(
            Reason.INVALID_VALUE, what="--out", value=path, why=error.strerror or "it failed"
        ) from error


@commands.command()
def history(ctx: typer.Context, id_: Id) -> None:
    """Tell what happened to a mail: who, when, from, to, why."""
    from maild.core.views import mail_history

    cli = of(ctx)
    told = [one.as_dict() for one in mail_history(cli.app, id_, by=cli.by)]
    tell(cli, {"id": id_, "history": told}, mail_words.history_lines(told))


# --- what people do with mail ---------------------------------------------------------------------------------------


@commands.command()
def counts(
    ctx: typer.Context,
    inbox: Annotated[str | None, typer.Option(metavar="ADDR", help="Only this inbox.")] = None,
    owner: Annotated[
        str | None, typer.Option(metavar="EMAIL", help="A mailbox, by status and unread.")
    ] = None,
    mailboxes: Annotated[
        bool, typer.Option("--mailboxes", help="All mailboxes, and what is unread by inbox.")
    ] = False,
    unread: Annotated[
        bool, typer.Option("--unread", help="Of mailboxes, count the unread mails alone.")
    ] = False,
) -> None:
    """Count the mails of each inbox by state and reason, or of mailboxes by status and unread."""
    from maild.core.counts import count_mails

    cli = of(ctx)
    if owner is not None or mailboxes:
        if inbox is not None:
            raise WrongUsageError("Count an inbox, or mailboxes, and not both.")
        _count_mailboxes(cli, owner, unread_only=unread)
        return
    if unread:
        raise WrongUsageError("--unread counts mailboxes: say --mailboxes, or --owner EMAIL.")
    counted = count_mails(cli.app, inbox, account=cli.account_slug, by=cli.by)
    tell(cli, counted, mail_words.count_lines(counted))


def _count_mailboxes(cli: Context, owner: str | None, *, unread_only: bool) -> None:
    from maild.core.mailbox_counts import count_mailboxes
    from maild.faces.documents import document

    found = document(
        count_mailboxes(
            cli.app, owner, account=cli.account_slug, unread_only=unread_only, by=cli.by
        )
    )
    tell(cli, found, mail_words.mailbox_count_lines(found))


@commands.command()
def readers(ctx: typer.Context, id_: Id) -> None:
    """Tell who opened a mail, and when first."""
    from maild.core.marking import readers_of
    from maild.faces.documents import document

    cli = of(ctx)
    found = document(readers_of(cli.app, id_, by=cli.by))
    lines = [f"{clock_time(one['at'])}  {line(one['name'])}" for one in found]
    tell(cli, {"id": id_, "readers": found}, lines or ["Nobody opened it yet."])


@commands.command()
def opened(ctx: typer.Context, ids: Ids) -> None:
    """Keep that --by EMAIL opened mails; the owner's unread flag stays as it is."""
    from maild.core.marking import mark_opened

    cli = of(ctx)
    mark_opened(cli.app, ids, by=cli.by)
    _marked(cli, ids, "opened")


@commands.command()
def read(ctx: typer.Context, ids: Ids) -> None:
    """Mark mails as read."""
    _set_unread(of(ctx), ids, unread=False)


@commands.command()
def unread(ctx: typer.Context, ids: Ids) -> None:
    """Mark mails as unread."""
    _set_unread(of(ctx), ids, unread=True)


def _set_unread(cli: Context, ids: list[str], *, unread: bool) -> None:
    from maild.core.mailbox import set_unread

    set_unread(cli.app, ids, unread=unread, by=cli.by)
    _marked(cli, ids, "unread" if unread else "read")


def _marked(cli: Context, ids: Sequence[str], what: str) -> None:
    count = len(set(ids))
    tell(
        cli,
        {"mails": list(dict.fromkeys(ids))},
        [f"{count} mail{'' if count == 1 else 's'}: {what}."],
    )


@commands.command()
def status(
    ctx: typer.Context,
    words: Annotated[
        list[str], typer.Argument(metavar="ID… STATUS", help="Mails, then the status.")
    ],
) -> None:
    """Set the status of mails; it is apart from unread."""
    from maild.core.mailbox import set_status

    cli = of(ctx)
    if len(words) < 2:
        raise WrongUsageError("Name at least one mail, and then the status.")
    *ids, wanted = words
    set_status(cli.app, ids, wanted, by=cli.by)
    _marked(cli, ids, f"status {line(wanted)}")


@commands.command()
def note(
    ctx: typer.Context,
    id_: Id,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to remember.")],
) -> None:
    """Add a note to a mail."""
    from maild.core.mailbox import add_note

    cli = of(ctx)
    add_note(cli.app, id_, text, by=cli.by)
    _marked(cli, [id_], "note added")


commands.add_typer(mail_answering.commands)
commands.add_typer(mail_giving.commands)
commands.add_typer(mail_rulings.commands)
commands.add_typer(mail_repair.commands)
commands.add_typer(mail_writing.commands)
