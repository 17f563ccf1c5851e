"""`maild address …`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from maild.faces.cli.context import Context, of
from maild.faces.cli.group import changes_of, group
from maild.faces.cli.mail_repair import tell_matching_of_user
from maild.faces.cli.output import table
from maild.faces.cli.user import tell_warnings
from maild.faces.documents import document

if TYPE_CHECKING:
    from maild.core.verifying import LinkMailed

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
    delivers_to: Annotated[
        str | None, typer.Option(metavar="ADDR", help="The physical inbox that its mail ends in.")
    ] = None,
) -> None:
    """Give a user another address; with --confirm it counts at once, also when it was added before."""
    from maild.core.addresses import add_address
    from maild.core.delivers_to import inbox_named, set_address

    cli = of(ctx)
    if delivers_to is not None:
        inbox_named(delivers_to)  # What is refused, is refused before anything is done.
    added = add_address(cli.app, email, addr, sends_as=sends_as, confirm=confirm, by=cli.by)
    address = added.address
    if delivers_to is not None:
        address = set_address(cli.app, addr, {"delivers_to": delivers_to}, by=cli.by)
    shown = {
        **document(address),
        "user": added.user,
        "outcome": added.outcome,
        "warnings": list(added.warnings),
        "question": document(added.question),
        "link": document(added.link),
    }
    kind = added.address.kind.value.replace("_", "-")
    cli.emit(shown, f"{added.address.address} is {added.outcome}: {kind} of {added.user}.")
    tell_warnings(cli, added.warnings)
    if added.question is not None:
        cli.say(f"{added.question.text}\n  Yes: {added.question.action}")
    if added.address.verified and added.outcome != "unchanged":
        tell_matching_of_user(cli, added.user, [added.address.address])
    if added.link is not None:
        _tell_link(cli, added.link)
    elif not added.address.verified:
        cli.say(f"It is not confirmed yet: `maild address verify {added.address.address}`.")


def _tell_link(cli: Context, link: LinkMailed) -> None:
    other = "" if link.vouch is None else f"\n  {link.vouch.phrase}"
    cli.say(f"{link.text} Until it is confirmed, it does not count.{other}")


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


@app.command("set")
def set_(
    ctx: typer.Context,
    addr: Addr,
    pairs: Annotated[list[str], typer.Argument(metavar="KEY=VALUE…")],
) -> None:
    """Say of an address: delivers_to=ADDR, the physical inbox that its mail ends in (none: its own)."""
    from maild.core.delivers_to import set_address

    cli = of(ctx)
    row = set_address(cli.app, addr, changes_of(pairs), by=cli.by)
    cli.emit(row, f"{row.address} ends in {row.delivers_to or 'its own inbox'}.")


@app.command("verify")
def verify(
    ctx: typer.Context,
    addr: Addr,
    code: Annotated[
        str | None, typer.Option("--code", help="The code that the mail carries: confirm now.")
    ] = None,
) -> None:
    """Mail the link of an address again; the newest alone is good.  With --code the address is confirmed."""
    from maild.core.verifying import confirm_by_code, send_verification

    cli = of(ctx)
    if code is not None:
        row = confirm_by_code(cli.app, addr, code, by=cli.by)
        cli.emit(row, f"{row.address} is confirmed.")
        tell_matching_of_user(cli, row.address, [row.address])
        return
    mailed = send_verification(cli.app, addr, by=cli.by)
    cli.emit(mailed, mailed.text)
