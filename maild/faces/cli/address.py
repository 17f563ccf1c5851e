"""`maild address …`."""

from __future__ import annotations

from typing import Annotated

import typer

from maild.faces.cli.context import of
from maild.faces.cli.group import group
from maild.faces.cli.output import document, table
from maild.faces.cli.user import tell_warnings

app = group("Further addresses of users: aliases, and addresses that they only send from.")

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="Any address of the user.")]
Addr = Annotated[str, typer.Argument(metavar="ADDR", help="The address.")]


@app.command("add")
def add(
    ctx: typer.Context,
    email: Email,
    addr: Addr,
    sends_as: Annotated[
        bool, typer.Option("--sends-as", help="The user only sends from it; it is no alias.")
    ] = False,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="You vouch for it: no mailed link.")
    ] = False,
) -> None:
    """Give a user another address; with --confirm it counts at once, also when it was added before."""
    from maild.core.addresses import add_address

    cli = of(ctx)
    added = add_address(cli.app, email, addr, sends_as=sends_as, confirm=confirm, by=cli.by)
    shown = {
        **document(added.address),
        "user": added.user,
        "outcome": added.outcome,
        "warnings": list(added.warnings),
        "question": document(added.question),
    }
    kind = added.address.kind.value.replace("_", "-")
    cli.emit(shown, f"{added.address.address} is {added.outcome}: {kind} of {added.user}.")
    tell_warnings(cli, added.warnings)
    if added.question is not None:
        cli.say(f"{added.question.text}\n  Yes: {added.question.action}")
    if not added.address.verified:
        cli.say(
            "It is not confirmed and does not count yet. This version cannot send the link by mail; to vouch for it:\n"
            f"  maild address add {added.user} {added.address.address} --confirm"
        )


@app.command("list")
def list_(ctx: typer.Context, email: Email) -> None:
    """List the addresses that a user has and had."""
    from maild.core.addresses import list_addresses

    cli = of(ctx)
    addresses = list_addresses(cli.app, email, by=cli.by)
    rows = [
        (
            row.address,
            row.kind,
            "confirmed" if row.verified else "not confirmed",
            row.valid_from,
            row.valid_to,
        )
        for row in addresses
    ]
    cli.emit(addresses, table(("ADDRESS", "KIND", "", "FROM", "UNTIL"), rows))


@app.command("remove")
def remove(ctx: typer.Context, addr: Addr) -> None:
    """Take an address from its user; it explains old mail and is free for others."""
    from maild.core.addresses import remove_address

    cli = of(ctx)
    removed = remove_address(cli.app, addr, by=cli.by)
    cli.emit(removed, f"{removed.address} is removed.")


@app.command("primary")
def primary(ctx: typer.Context, addr: Addr) -> None:
    """Make an alias its user's primary address; the old one becomes an alias."""
    from maild.core.addresses import make_primary

    cli = of(ctx)
    user = make_primary(cli.app, addr, by=cli.by)
    cli.emit(user, f"{user.email} is now the primary address of {user.name}.")


@app.command("verify")
def verify(ctx: typer.Context, addr: Addr) -> None:
    """Send the link for an address again (not in this version, which says how to confirm it)."""
    from maild.core.addresses import send_verification

    cli = of(ctx)
    row = send_verification(cli.app, addr, by=cli.by)
    cli.emit(row, f"{row.address} is confirmed already.")
