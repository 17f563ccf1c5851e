"""`maild client …`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maild.faces.cli.context import Context, of
from maild.faces.cli.files import IMPORT_MAX, content_of
from maild.faces.cli.group import group
from maild.faces.cli.mail_repair import tell_matching
from maild.faces.cli.output import fields, printable, table
from maild.faces.cli.user import tell_warnings
from maild.model.reason import Reason, RefusedError

if TYPE_CHECKING:
    from maild.core.clients import ClientView, NewClient
    from maild.core.importing import Wrong

app = group("Clients: whom mail is about, with their addresses and domains.")

Id = Annotated[str, typer.Argument(metavar="ID", help="As `maild client list` shows it.")]


@app.command("add")
def add(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    contact: Annotated[list[str] | None, typer.Option(metavar="ADDR")] = None,
    domain: Annotated[list[str] | None, typer.Option(metavar="D")] = None,
    key: Annotated[str | None, typer.Option(metavar="EXTERNAL", help="Its id in your CRM.")] = None,
) -> None:
    """Add a client."""
    from maild.core.clients import NewClient, add_client

    cli = of(ctx)
    new = NewClient(name=name, contacts=contact or (), domains=domain or (), key=key)
    added = add_client(cli.app, new, account=cli.account_slug, by=cli.by)
    cli.emit(added, f"Client {added.name} is there: {added.id}")
    _tell_matching(cli, added)


@app.command("reference")
def reference(ctx: typer.Context, id_: Id) -> None:
    """Say what in a subject, or in an inbox's address, files a mail under a client."""
    from maild.core.references import client_reference

    cli = of(ctx)
    found = client_reference(cli.app, id_, account=cli.account_slug, by=cli.by)
    lines = [
        f"A mail of yours goes to {printable(found.name)} with",
        f"  {found.subject}  anywhere in its subject, or",
        *(f"  {address}  as recipient" for address in found.addresses),
    ]
    cli.emit(found, "\n".join(lines))


@app.command("list")
def list_(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 1000,
    after: Annotated[str | None, typer.Option(metavar="CURSOR")] = None,
) -> None:
    """List the clients of an account."""
    from maild.core.clients import list_clients

    cli = of(ctx)
    page = list_clients(cli.app, account=cli.account_slug, after=after, limit=limit, by=cli.by)
    rows = [(one.id, one.name, one.key, one.contacts, one.domains) for one in page.clients]
    cli.emit(page.clients, table(("ID", "NAME", "KEY", "CONTACTS", "DOMAINS"), rows))
    if page.next:
        cli.say(f"There are more: --after {page.next}")


@app.command("show")
def show(ctx: typer.Context, id_: Id) -> None:
    """Show a client."""
    from maild.core.clients import show_client

    cli = of(ctx)
    _tell(cli, show_client(cli.app, id_, account=cli.account_slug, by=cli.by))


def _tell(cli: Context, client: ClientView) -> None:
    pairs: list[tuple[str, object]] = [
        ("name", client.name),
        ("id", client.id),
        ("key", client.key),
        ("contacts", list(client.contacts)),
        ("domains", list(client.domains)),
    ]
    cli.emit(client, fields(pairs))


@app.command("contact")
def contact(
    ctx: typer.Context,
    id_: Id,
    add: Annotated[list[str] | None, typer.Option(metavar="ADDR")] = None,
    remove: Annotated[list[str] | None, typer.Option(metavar="ADDR")] = None,
) -> None:
    """Give a client addresses, or take some away."""
    from maild.core.clients import change_contacts

    cli = of(ctx)
    client = change_contacts(
        cli.app, id_, add=add or (), remove=remove or (), account=cli.account_slug, by=cli.by
    )
    _tell(cli, client)
    if add:
        tell_matching(cli, add)


def _tell_matching(cli: Context, client: ClientView) -> None:
    names = [*client.contacts, *(f"@{domain}" for domain in client.domains)]
    if names:
        tell_matching(cli, names)


@app.command("import")
def import_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="csv or json; - is CSV on stdin.")],
) -> None:
    """Add many clients.  CSV columns: name, contacts, domains (several by ;), key.  JSON: a list of such objects.

    Each line is added or refused; the rest goes on.  Exit 1 when a line was refused.
    """
    from maild.core.importing import import_clients
    from maild.faces.cli.bulk import tell_outcomes

    cli = of(ctx)
    lines = _lines_of(cli, file)
    outcomes = import_clients(cli.app, lines, account=cli.account_slug, by=cli.by)
    tell_outcomes(cli, outcomes, len(lines))


def _lines_of(cli: Context, file: Path) -> list[tuple[int, NewClient | Wrong]]:
    from maild.faces.cli.bulk import CLIENT_COLUMNS, clients_in, clients_in_json
    from maild.faces.cli.sheet import read_sheet

    kind = file.suffix.casefold()
    if kind in {".vcf", ".vcard"}:
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="The file",
            value=printable(file.name[:100]),
            why="this version does not read vCards yet; export CSV or JSON",
        )
    raw = content_of(file, "The file", IMPORT_MAX)
    if kind == ".json":
        return clients_in_json(raw)
    sheet = read_sheet(raw, needed=("name",), known=CLIENT_COLUMNS)
    tell_warnings(cli, sheet.notes)
    return clients_in(sheet)
