"""`maild user absent`, `absences`, `present` and `returned`: who is away, and who stands in (M10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from maild.faces.cli.context import of
from maild.faces.cli.output import table

if TYPE_CHECKING:
    from maild.core.absence import AbsenceView

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="Any address of the user.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to `maild user`."""
    app.command("absent")(absent)
    app.command("absences")(absences)
    app.command("present")(present)
    app.command("returned")(returned)


def absent(
    ctx: typer.Context,
    *,
    email: Email,
    from_: Annotated[
        str, typer.Option("--from", metavar="DATE", help="The first day, in the account's zone.")
    ],
    until: Annotated[str, typer.Option(metavar="DATE", help="The last day.")],
    substitute: Annotated[str, typer.Option(metavar="EMAIL", help="Who stands in.")],
) -> None:
    """Say that somebody will be away; what inboxes and rules would give them goes to who stands in.

    Refused where nobody would read some inbox's mail then, or substitutes would go round.
    """
    from maild.core.absence import NewAbsence, add_absence

    cli = of(ctx)
    new = NewAbsence(begins=from_, until=until, substitute=substitute)
    added = add_absence(cli.app, email, new, account=cli.account_slug, by=cli.by)
    cli.emit(added, f"{_words(added)}  Take it back with: maild user present {added.id}")


def _words(one: AbsenceView) -> str:
    return (
        f"{one.name} is away from {one.first_day} to {one.last_day}; "
        f"{one.substitute_name} stands in."
    )


def absences(ctx: typer.Context) -> None:
    """List who is away from the account, and who will be."""
    from maild.core.absence import list_absences

    cli = of(ctx)
    found = list_absences(cli.app, account=cli.account_slug, by=cli.by)
    rows = [
        (one.id, one.email, one.state, one.first_day, one.last_day, one.substitute) for one in found
    ]
    cli.emit(found, table(("ID", "EMAIL", "", "FROM", "UNTIL", "SUBSTITUTE"), rows))


def present(
    ctx: typer.Context,
    absence: Annotated[
        str, typer.Argument(metavar="ID", help="As `maild user absences` shows it.")
    ],
) -> None:
    """Take an absence back, or end it now."""
    from maild.core.absence import end_absence

    cli = of(ctx)
    ended = end_absence(cli.app, absence, account=cli.account_slug, by=cli.by)
    cli.emit(ended, f"{ended.name} is there.")


def returned(
    ctx: typer.Context,
    email: Email,
    give_back: Annotated[
        bool, typer.Option("--give-back", help="Give them what came meanwhile, in one act.")
    ] = False,
) -> None:
    """Say that somebody is back; list what came meanwhile and lies with who stood in, or give it back."""
    from maild.core.absence import come_back

    cli = of(ctx)
    back = come_back(cli.app, email, give_back=give_back, account=cli.account_slug, by=cli.by)
    lines = [f"{back.email} is back."]
    if back.change is not None:
        lines.append(f"Given back: {len(back.given)}. Change {back.change}")
    if back.waiting:
        lines += ["Came meanwhile, and is with who stood in:", *back.waiting]
        lines.append(f"maild user returned {back.email} --give-back")
    cli.emit(back, "\n".join(lines))
