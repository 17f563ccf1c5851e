"""`maild profile …`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from maild.faces.cli.context import Context, of
from maild.faces.cli.group import group
from maild.faces.cli.output import fields, printable, table

if TYPE_CHECKING:
    from maild.core.lists import Counted
    from maild.core.profiles import ProfileView

app = group("Saved searches: one's own and shared ones, with counts.")

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="As `maild profile list` shows it, or its id.")
]
Shared = Annotated[
    bool | None, typer.Option("--shared/--private", help="Everybody of the account has it, or not.")
]
Pinned = Annotated[
    bool | None, typer.Option("--pinned/--unpinned", help="It stands before the others, or not.")
]


@app.command("add")
def add(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    query: Annotated[
        str, typer.Argument(metavar="QUERY", help="A search; docs/search.md has the fields.")
    ],
    shared: Shared = None,
    pinned: Pinned = None,
) -> None:
    """Save a search."""
    from maild.core.profiles import ProfileText, add_profile

    cli = of(ctx)
    text = ProfileText(name=name, query=query, shared=shared, pinned=pinned)
    added = add_profile(cli.app, text, account=cli.account_slug, by=cli.by)
    cli.emit(added, f"The profile {printable(added.name)} is there: {printable(added.text)}")
    _notes(cli, added)


@app.command("list")
def list_(ctx: typer.Context) -> None:
    """List the saved searches of --by EMAIL and the shared ones, each with how many mails it finds."""
    from maild.core.profiles import list_profiles

    cli = of(ctx)
    found = list_profiles(cli.app, account=cli.account_slug, counts=True, by=cli.by)
    rows = [
        (
            one.name,
            _count(one.count),
            "shared" if one.shared else "private",
            "pinned" if one.pinned else "",
            one.query,
        )
        for one in found
    ]
    cli.emit(found, table(("NAME", "MAILS", "WHOSE", "", "QUERY"), rows))
    for one in found:
        _notes(cli, one)


@app.command("show")
def show(ctx: typer.Context, name: Name) -> None:
    """Show a saved search."""
    from maild.core.profiles import show_profile

    cli = of(ctx)
    _tell(cli, show_profile(cli.app, name, account=cli.account_slug, counts=True, by=cli.by))


@app.command("set")
def set_(
    ctx: typer.Context,
    name: Name,
    rename: Annotated[str | None, typer.Option(metavar="NAME", help="What it is called.")] = None,
    query: Annotated[str | None, typer.Option(metavar="QUERY", help="What it finds.")] = None,
    shared: Shared = None,
    pinned: Pinned = None,
) -> None:
    """Change a saved search; what is left out stays."""
    from maild.core.profiles import ProfileText, change_profile

    cli = of(ctx)
    changes = ProfileText(name=rename, query=query, shared=shared, pinned=pinned)
    _tell(cli, change_profile(cli.app, name, changes, account=cli.account_slug, by=cli.by))


@app.command("remove")
def remove(ctx: typer.Context, name: Name) -> None:
    """Remove a saved search."""
    from maild.core.profiles import remove_profile

    cli = of(ctx)
    gone = remove_profile(cli.app, name, account=cli.account_slug, by=cli.by)
    cli.emit(gone, f"The profile {printable(gone.name)} is gone.")


def _tell(cli: Context, profile: ProfileView) -> None:
    pairs: list[tuple[str, object]] = [
        ("name", profile.name),
        ("id", profile.id),
        ("query", profile.query),
        ("finds", profile.text),
        ("mails", _count(profile.count)),
        ("shared", profile.shared),
        ("pinned", profile.pinned),
        ("saved by", profile.by or "the operator"),
    ]
    cli.emit(profile, fields(pairs))
    _notes(cli, profile)


def _count(count: Counted | None) -> str:
    if count is None:
        return ""
    return f"{count.number}{'+' if count.more else ''}"


def _notes(cli: Context, profile: ProfileView) -> None:
    for note in profile.notes:
        cli.say(f"{printable(profile.name)}: {printable(note)}")
