"""`maild client …`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maild.faces.cli.context import Context, of
from maild.faces.cli.files import IMPORT_MAX, content_of
from maild.faces.cli.group import group
from maild.faces.cli.mail_repair import tell_matching
from maild.faces.cli.mail_shared import a_reader
from maild.faces.cli.output import fields, printable, table
from maild.faces.cli.user import tell_warnings

if TYPE_CHECKING:
    from maild.core.clients import ClientView
    from maild.core.clients_changing import ClientChanges

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
    _warn(cli, added)
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
        ("shared", list(client.shared)),
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
    from maild.core.clients_changing import ClientChanges

    _change(ctx, id_, ClientChanges(add=add or (), remove=remove or ()))


@app.command("domain")
def domain(
    ctx: typer.Context,
    id_: Id,
    add: Annotated[list[str] | None, typer.Option(metavar="D")] = None,
    remove: Annotated[list[str] | None, typer.Option(metavar="D")] = None,
) -> None:
    """Give a client domains, or take some away."""
    from maild.core.clients_changing import ClientChanges

    _change(ctx, id_, ClientChanges(add_domains=add or (), remove_domains=remove or ()))


@app.command("set")
def set_(
    ctx: typer.Context,
    id_: Id,
    changes: Annotated[list[str], typer.Argument(metavar="KEY=VALUE…", help="name or key.")],
) -> None:
    """Change a client's name, or its key in your CRM; key= takes it away."""
    from maild.core.clients_changing import ClientChanges
    from maild.core.keys import nearest_key
    from maild.faces.cli.group import changes_of

    asked = changes_of(changes)
    for word in asked:
        if word not in {"name", "key"}:
            raise nearest_key(word, ("name", "key"))
    _change(ctx, id_, ClientChanges(name=asked.get("name"), key=asked.get("key")))


def _warn(cli: Context, client: ClientView) -> None:
    for value in client.shared:
        cli.say(
            f"warning: {value} is at other clients, too: "
            "its mail is CLIENT_AMBIGUOUS until somebody chooses."
        )


def _change(ctx: typer.Context, id_: str, changes: ClientChanges) -> None:
    from maild.core.clients_changing import change_client

    cli = of(ctx)
    changed = change_client(cli.app, id_, changes, account=cli.account_slug, by=cli.by)
    _tell(cli, changed)
    _warn(cli, changed)
    domains = [*changes.add_domains, *changes.remove_domains]
    names = [
        *changes.add,
        *changes.remove,
        *(f"@{one.strip().removeprefix('@')}" for one in domains),
    ]
    if names:
        tell_matching(cli, names)


def _tell_matching(cli: Context, client: ClientView) -> None:
    names = [*client.contacts, *(f"@{domain}" for domain in client.domains)]
    if names:
        tell_matching(cli, names)


@app.command("import")
def import_(
    ctx: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="csv, json or vcf; - is CSV on stdin.")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done; nothing is kept.")
    ] = False,
) -> None:
    """Bring in many clients, again and again: each is added, changed, unchanged or refused, and the rest goes on.

    CSV columns: name, contacts, domains (several by ;), key.  JSON: a list of such objects, or one per line.  vCards: one
    client for each organisation.  Exit 1 when a line was refused.
    """
    from maild.core.clients_listing import import_clients
    from maild.faces.cli.bulk import tell_outcomes
    from maild.parse.client_files import read_client_file

    cli = of(ctx)
    found = read_client_file(content_of(file, "The file", IMPORT_MAX), file.suffix)
    tell_warnings(cli, found.notes)
    outcomes = import_clients(
        cli.app, found.lines, account=cli.account_slug, dry_run=dry_run, by=cli.by
    )
    tell_outcomes(cli, outcomes, len(found.lines))
    if dry_run:
        cli.say("Nothing of it is kept: it was a dry run.")
    else:
        offer_clients(cli)


def offer_clients(cli: Context) -> None:
    """Say how many mails waited for a client who is there now."""
    from maild.core.clients_sweeping import matching_clients

    found = matching_clients(cli.app, account=cli.account_slug, by=cli.by)
    if not found.count:
        return
    many = "1 mail matches" if found.count == 1 else f"{found.count} mails match"
    what = (
        "the account heals by itself, so they are being decided again."
        if found.heals_itself
        else "see and file them with: maild client matching"
    )
    cli.say(f"{many} a client now; {what}")


@app.command("matching")
def matching(
    ctx: typer.Context,
    file: Annotated[
        bool, typer.Option("--file", help="Have them decided again, in place.")
    ] = False,
) -> None:
    """Show the mails that waited for a client who is there now; with --file, file them with their own dates."""
    from maild.core.clients_sweeping import file_matching, matching_clients

    cli = of(ctx)
    if file:
        with a_reader() as reader:
            healed = file_matching(
                cli.app,
                reader,
                account=cli.account_slug,
                told=lambda count: cli.say(f"{count} decided …"),
                by=cli.by,
            )
        cli.emit(healed, f"{healed.count} decided again: {healed.filed} of them are filed now.")
        return
    found = matching_clients(cli.app, account=cli.account_slug, by=cli.by)
    rows = [(one.id, one.from_, one.state, one.reason) for one in found.mails]
    cli.emit(found, table(("ID", "FROM", "STATE", "REASON"), rows))
    if found.count:
        account = f" --account {found.account}" if cli.account_slug else ""
        cli.say(f"{found.count} in all; to file them: maild client matching --file{account}")
