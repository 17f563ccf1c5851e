"""`maild drop …`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from maild.faces.cli.context import Context, of
from maild.faces.cli.group import group

if TYPE_CHECKING:
    from maild.core.drops import DropView

app = group(
    "A member's secret address: what is sent to it is that member's, whatever the From says."
)

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The member's address.")]


@app.command("show")
def show(ctx: typer.Context, email: Email) -> None:
    """Tell a member's drop addresses.  They are secret: who knows one files mail in that member's name."""
    from maild.core.drops import show_drop

    cli = of(ctx)
    _tell(cli, show_drop(cli.app, email, account=cli.account_slug, by=cli.by))


@app.command("rotate")
def rotate(ctx: typer.Context, email: Email) -> None:
    """Make a member a new one; the old one is refused as replaced for 30 days."""
    from maild.core.drops import rotate_drop

    cli = of(ctx)
    _tell(cli, rotate_drop(cli.app, email, account=cli.account_slug, by=cli.by))


def _tell(cli: Context, drop: DropView) -> None:
    cli.emit(drop, "\n".join(drop.addresses))
    cli.say(
        f"Of {drop.email} in {drop.account}, since {drop.since:%Y-%m-%d}. Put it in Bcc or To alone, never in Cc."
    )
