"""`maild template …`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maild.faces.cli.context import Context, of
from maild.faces.cli.files import read_text
from maild.faces.cli.group import group
from maild.faces.cli.options import WrongUsageError
from maild.faces.cli.output import fields, printable, table
from maild.faces.cli.plain import block

if TYPE_CHECKING:
    from maild.core.templates import TemplateView

app = group("Templates: texts to answer with, shared or one's own.")

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="As `maild template list` shows it, or its id.")
]
Subject = Annotated[
    str | None, typer.Option(help="The subject; without one an answer keeps its own.")
]
TextIs = Annotated[
    str | None,
    typer.Option(metavar="TEXT", help="The text; variables are {client.name}, {sender.name}, …"),
]
TextFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Where the text stands; - is the input.")
]
SenderIs = Annotated[
    str | None,
    typer.Option(metavar="ADDR", help="The shared inbox as which it is always sent."),
]
StatusIs = Annotated[
    str | None, typer.Option("--sets-status", metavar="STATUS", help="What the answered mail gets.")
]


@app.command("add")
def add(
    ctx: typer.Context,
    *,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    subject: Subject = None,
    text: TextIs = None,
    text_file: TextFile = None,
    sender: SenderIs = None,
    sets_status: StatusIs = None,
    private: Annotated[
        bool, typer.Option("--private", help="Only for --by EMAIL; else everybody has it.")
    ] = False,
) -> None:
    """Add a template.  A variable that there is not is refused, with the list."""
    from maild.core.templates import TemplateText, add_template

    cli = of(ctx)
    words = TemplateText(
        subject=subject, text=_text(text, text_file), sender=sender, sets_status=sets_status
    )
    added = add_template(
        cli.app, name, words, shared=not private, account=cli.account_slug, by=cli.by
    )
    cli.emit(added, f"The template {printable(added.name)} is there.")


@app.command("list")
def list_(ctx: typer.Context) -> None:
    """List the templates that --by EMAIL can use; without it the shared ones."""
    from maild.core.templates import list_templates

    cli = of(ctx)
    found = list_templates(cli.app, account=cli.account_slug, by=cli.by)
    rows = [
        (one.name, "shared" if one.shared else "private", one.sender, one.sets_status, one.subject)
        for one in found
    ]
    cli.emit(found, table(("NAME", "WHOSE", "SENDER", "SETS STATUS", "SUBJECT"), rows))


@app.command("show")
def show(ctx: typer.Context, name: Name) -> None:
    """Show a template."""
    from maild.core.templates import show_template

    cli = of(ctx)
    _tell(cli, show_template(cli.app, name, account=cli.account_slug, by=cli.by))


@app.command("set")
def set_(
    ctx: typer.Context,
    *,
    name: Name,
    rename: Annotated[str | None, typer.Option(metavar="NAME", help="What it is called.")] = None,
    subject: Subject = None,
    text: TextIs = None,
    text_file: TextFile = None,
    sender: SenderIs = None,
    sets_status: StatusIs = None,
) -> None:
    """Change a template; what is left out stays, and an empty sender or status takes it away."""
    from maild.core.templates import TemplateText, set_template

    cli = of(ctx)
    words = TemplateText(
        subject=subject, text=_text(text, text_file), sender=sender, sets_status=sets_status
    )
    changed = set_template(cli.app, name, words, rename=rename, account=cli.account_slug, by=cli.by)
    _tell(cli, changed)


@app.command("send")
def send(
    ctx: typer.Context,
    *,
    name: Name,
    mail: Annotated[
        str | None, typer.Option(metavar="ID", help="The mail that is answered.")
    ] = None,
    to: Annotated[list[str] | None, typer.Option(metavar="ADDR", help="To whom.")] = None,
    cc: Annotated[list[str] | None, typer.Option(metavar="ADDR")] = None,
    sender: Annotated[
        str | None, typer.Option("--as", metavar="ADDR", help="In place of its set sender.")
    ] = None,
    all_: Annotated[
        bool, typer.Option("--all", help="Also to the others in the mail that is answered.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the mail; write nothing.")
    ] = False,
) -> None:
    """Answer a mail by a template, or write to somebody by it."""
    from maild.core.writing_desk import Asked
    from maild.faces.cli.mail_writing import answered, composed

    if mail is None and not to:
        raise WrongUsageError("Say --mail ID, which is answered, or --to ADDR.")
    asked = Asked(template=name, sender=sender, to=to or (), cc=cc or (), everyone=all_)
    if mail is None:
        composed(of(ctx), asked, dry_run=dry_run)
    else:
        answered(of(ctx), mail, asked, dry_run=dry_run)


@app.command("remove")
def remove(ctx: typer.Context, name: Name) -> None:
    """Remove a template; what was sent by it stays."""
    from maild.core.templates import remove_template

    cli = of(ctx)
    gone = remove_template(cli.app, name, account=cli.account_slug, by=cli.by)
    cli.emit(gone, f"The template {printable(gone.name)} is gone.")


def _text(text: str | None, file: Path | None) -> str | None:
    if text is not None and file is not None:
        raise WrongUsageError("Take --text or --text-file, not both.")
    return text if file is None else read_text(file)


def _tell(cli: Context, template: TemplateView) -> None:
    pairs: list[tuple[str, object]] = [
        ("name", template.name),
        ("id", template.id),
        ("shared", template.shared),
        ("sender", template.sender),
        ("sets status", template.sets_status),
        ("subject", template.subject),
    ]
    cli.emit(template, f"{fields(pairs)}\n\n{block(template.text)}")
