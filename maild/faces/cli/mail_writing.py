"""`maild mail reply`, `forward` and `compose`."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maild.faces.cli.context import Context, of
from maild.faces.cli.files import content_of, read_text
from maild.faces.cli.group import plain
from maild.faces.cli.mail_shared import Id, a_reader
from maild.faces.cli.options import WrongUsageError
from maild.faces.cli.output import fields
from maild.faces.cli.plain import block, line, mailbox

if TYPE_CHECKING:
    from maild.core.app import Actor, App
    from maild.core.decide import Reader
    from maild.core.writing import WrittenView
    from maild.core.writing_desk import Asked
    from maild.model.writing import Attached

commands = plain("Answer, pass on, write.")

Template = Annotated[
    str | None, typer.Option(metavar="NAME", help="Its text, and its sender and status.")
]
TextIs = Annotated[str | None, typer.Option(metavar="TEXT", help="What is said.")]
TextFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Where the text stands; - is the input.")
]
SenderIs = Annotated[
    str | None, typer.Option("--as", metavar="ADDR", help="A shared inbox, or an own address.")
]
SubjectIs = Annotated[str | None, typer.Option(metavar="TEXT")]
To = Annotated[list[str] | None, typer.Option(metavar="ADDR", help="As ADDR or 'Name <ADDR>'.")]
Cc = Annotated[list[str] | None, typer.Option(metavar="ADDR")]
Bcc = Annotated[list[str] | None, typer.Option(metavar="ADDR")]
Attach = Annotated[list[Path] | None, typer.Option(metavar="FILE")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the mail; write nothing.")]


@commands.command()
def reply(
    ctx: typer.Context,
    *,
    id_: Id,
    all_: Annotated[bool, typer.Option("--all", help="Also to the others in To and Cc.")] = False,
    template: Template = None,
    text: TextIs = None,
    text_file: TextFile = None,
    sender: SenderIs = None,
    subject: SubjectIs = None,
    to: To = None,
    cc: Cc = None,
    bcc: Bcc = None,
    attach: Attach = None,
    quote: Annotated[
        bool, typer.Option("--quote/--no-quote", help="The answered text stands below.")
    ] = True,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Though somebody else is answering it.")
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Answer a mail, as the address that its writer wrote to."""
    from maild.core.writing import reply as write
    from maild.core.writing_desk import Asked

    asked = Asked(
        text=_text(text, text_file),
        subject=subject,
        template=template,
        sender=sender,
        to=to or (),
        cc=cc or (),
        bcc=bcc or (),
        attached=_files(attach),
        everyone=all_,
        quote=quote,
        anyway=anyway,
    )
    _do(
        of(ctx),
        lambda app, reader, by: write(app, reader, id_, asked, dry_run=dry_run, by=by),
    )


@commands.command()
def forward(
    ctx: typer.Context,
    *,
    id_: Id,
    to: To = None,
    cc: Cc = None,
    bcc: Bcc = None,
    inline: Annotated[
        bool, typer.Option("--inline", help="As text, and not attached as it came.")
    ] = False,
    template: Template = None,
    text: TextIs = None,
    text_file: TextFile = None,
    sender: SenderIs = None,
    subject: SubjectIs = None,
    attach: Attach = None,
    dry_run: DryRun = False,
) -> None:
    """Pass a mail on."""
    from maild.core.writing import forward as write
    from maild.core.writing_desk import Asked

    asked = Asked(
        text=_text(text, text_file),
        subject=subject,
        template=template,
        sender=sender,
        to=to or (),
        cc=cc or (),
        bcc=bcc or (),
        attached=_files(attach),
        inline=inline,
    )
    _do(
        of(ctx),
        lambda app, reader, by: write(app, reader, id_, asked, dry_run=dry_run, by=by),
    )


@commands.command()
def compose(
    ctx: typer.Context,
    *,
    to: To = None,
    cc: Cc = None,
    bcc: Bcc = None,
    subject: SubjectIs = None,
    template: Template = None,
    text: TextIs = None,
    text_file: TextFile = None,
    sender: SenderIs = None,
    attach: Attach = None,
    dry_run: DryRun = False,
) -> None:
    """Write a new mail, as --as ADDR, else as one's own address."""
    from maild.core.writing_desk import Asked

    asked = Asked(
        text=_text(text, text_file),
        subject=subject,
        template=template,
        sender=sender,
        to=to or (),
        cc=cc or (),
        bcc=bcc or (),
        attached=_files(attach),
    )
    composed(of(ctx), asked, dry_run=dry_run)


def composed(cli: Context, asked: Asked, *, dry_run: bool) -> None:
    """Write a new mail and tell of it."""
    from maild.core.writing import compose as write

    slug = cli.account_slug
    _do(
        cli,
        lambda app, reader, by: write(app, reader, asked, account=slug, dry_run=dry_run, by=by),
    )


def answered(cli: Context, ulid: str, asked: Asked, *, dry_run: bool) -> None:
    """Answer a mail and tell of it."""
    from maild.core.writing import reply as write

    _do(cli, lambda app, reader, by: write(app, reader, ulid, asked, dry_run=dry_run, by=by))


def _do(cli: Context, write: Callable[[App, Reader, Actor], WrittenView]) -> None:
    with a_reader() as reader:
        _tell(cli, write(cli.app, reader, cli.by))


def _text(text: str | None, file: Path | None) -> str | None:
    if text is not None and file is not None:
        raise WrongUsageError("Take --text or --text-file, not both.")
    return text if file is None else read_text(file)


def _files(paths: list[Path] | None) -> list[Attached]:
    from maild.core.writing_desk import OCTETS
    from maild.model.writing import ATTACHED_MAX, Attached

    found = []
    for path in paths or ():
        kind = mimetypes.guess_type(path.name)[0] or OCTETS
        if kind.startswith(("message/", "multipart/")):
            kind = OCTETS
        content = content_of(path, "The attachment", ATTACHED_MAX)
        found.append(Attached(name=path.name, type=kind, content=content))
    return found


def _tell(cli: Context, mail: WrittenView) -> None:
    if mail.id is not None:
        whom = ", ".join(map(line, (*mail.to, *mail.cc, *mail.bcc)))
        status = f"; that mail is now {line(mail.sets_status)}" if mail.sets_status else ""
        cli.emit(mail, f"Mail {mail.id} waits to be sent as {line(mail.sender)} to {whom}{status}.")
        return
    files = [f"{line(one.name)} ({one.type}, {one.size} octets)" for one in mail.attachments]
    pairs: list[tuple[str, object]] = [
        ("from", mailbox(mail.sender_name, mail.sender)),
        ("to", list(mail.to)),
        ("cc", list(mail.cc)),
        ("bcc", list(mail.bcc)),
        ("subject", line(mail.subject)),
        ("attachments", files),
        ("sets status", mail.sets_status),
    ]
    cli.emit(mail, f"{fields(pairs)}\n\n{block(mail.text)}")
    cli.say("Nothing was written: this is a dry run.")
