"""`maild user change-email | undo-change | merge | unmerge | changes`: the operator's, each with a plan first."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from maild.faces.cli.context import Context, of
from maild.faces.cli.options import WrongUsageError
from maild.faces.cli.output import table

if TYPE_CHECKING:
    from maild.core.change_email import Planned
    from maild.core.changing import Changed, Undone

Plan = Annotated[bool, typer.Option("--plan", help="Say what would be done, and do nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]
Expect = Annotated[
    str | None,
    typer.Option(metavar="DIGEST", help="Of the plan that was looked at; another one is refused."),
]
ChangeId = Annotated[
    str, typer.Argument(metavar="ID", help="Of the change; `maild user changes` lists them.")
]


def add_to(app: typer.Typer) -> None:
    """Add these commands to `maild user`."""
    app.command("change-email")(change_email)
    app.command("undo-change")(undo_change)
    app.command("merge")(merge)
    app.command("unmerge")(unmerge)
    app.command("changes")(changes)


def change_email(
    ctx: typer.Context,
    old: Annotated[str, typer.Argument(metavar="OLD", help="The primary address today.")],
    new: Annotated[
        str, typer.Argument(metavar="NEW", help="A free address, or somebody else's primary one.")
    ],
    *,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="For the record.")] = None,
    plan: Plan = False,
    yes: Yes = False,
    expect: Expect = None,
    allow_sso: Annotated[
        bool, typer.Option("--allow-sso", help="Suspend or exchange single sign-on, too.")
    ] = False,
    swap_roles: Annotated[
        bool, typer.Option("--swap-roles", help="Roles may change hands by a swap.")
    ] = False,
    claim_resting: Annotated[
        bool, typer.Option("--claim-resting", help="NEW may be one that was given up lately.")
    ] = False,
    alias_travels: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDR", help="On a swap this alias goes with its primary address."),
    ] = None,
) -> None:
    """Give a person another address; or let two exchange theirs, with their logins.

    To a free one: the record keeps everything, and its person signs up again.  It can be taken back for 30 days.
    """
    from maild.core.change_email import EmailRequest, change_email as change, plan_change

    cli = of(ctx)
    if reason is None and not plan:
        raise WrongUsageError("Say why, for the record: --reason TEXT; or look first: --plan.")
    request = EmailRequest(
        old=old,
        new=new,
        allow_sso=allow_sso,
        swap_roles=swap_roles,
        claim_resting=claim_resting,
        alias_travels=tuple(alias_travels or ()),
    )
    planned = plan_change(cli.app, request, by=cli.by)
    if plan or reason is None:
        tell_plan(cli, planned)
        return
    _ask(cli, planned, yes=yes)
    digest = planned.plan.digest if expect is None else expect
    tell_changed(cli, change(cli.app, request, reason=reason, digest=digest, by=cli.by))


def merge(
    ctx: typer.Context,
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="Who turns out to be INTO.")],
    into: Annotated[str, typer.Argument(metavar="INTO", help="Who stays.")],
    *,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="For the record.")] = None,
    plan: Plan = False,
    yes: Yes = False,
    expect: Expect = None,
) -> None:
    """Make two users one: INTO gets EMAIL's addresses, mailbox and roles.  It can be taken back for 30 days."""
    from maild.core.merging import DEFAULT_REASON, merge_users, plan_merging

    cli = of(ctx)
    planned = plan_merging(cli.app, email, into, by=cli.by)
    if plan:
        tell_plan(cli, planned)
        return
    _ask(cli, planned, yes=yes)
    changed = merge_users(
        cli.app,
        email,
        into,
        reason=reason or DEFAULT_REASON,
        digest=planned.plan.digest if expect is None else expect,
        by=cli.by,
    )
    tell_changed(cli, changed, "unmerge")


def tell_plan(cli: Context, planned: Planned) -> None:
    """Print a plan."""
    lines = list(planned.sentences)
    needs = getattr(planned.plan, "needs", ())
    lines += [f"It needs {need.option} ({need.code}): {need.why}." for need in needs]
    cli.emit(planned, "\n".join(lines))
    cli.say(f"Nothing was done.  To do exactly this: --yes --expect {planned.plan.digest}")


def _ask(cli: Context, planned: Planned, *, yes: bool) -> None:
    """Ask for a yes, where somebody can be asked."""
    if yes:
        return
    if cli.json or not sys.stdin.isatty():
        raise WrongUsageError("Look at the plan (--plan), then say --yes.")
    cli.say("\n".join(planned.sentences))
    typer.confirm("Do it?", abort=True, err=True)


def tell_changed(cli: Context, changed: Changed, undo: str = "undo-change") -> None:
    """Print what was done, and how it is taken back."""
    cli.emit(changed, f"Done, as {changed.id}.")
    cli.say(
        f"Until {changed.undo_until:%Y-%m-%d} it is taken back by: maild user {undo} {changed.id}"
    )


def undo_change(ctx: typer.Context, change_id: ChangeId) -> None:
    """Take a change of an address back, within 30 days."""
    from maild.core.undo_change import undo_change as undo

    cli = of(ctx)
    _tell_undone(cli, undo(cli.app, change_id, by=cli.by))


def unmerge(ctx: typer.Context, change_id: ChangeId) -> None:
    """Take a merge back, within 30 days.  What was changed since stays, and is listed."""
    from maild.core.unmerging import unmerge as undo

    cli = of(ctx)
    _tell_undone(cli, undo(cli.app, change_id, by=cli.by))


def _tell_undone(cli: Context, undone: Undone) -> None:
    cli.emit(undone, "\n".join([f"{undone.id} is taken back.", *undone.stayed]))


def changes(ctx: typer.Context, limit: Annotated[int, typer.Option(min=1, max=1000)] = 100) -> None:
    """List changes of addresses and merges, newest first."""
    from maild.core.undo_change import list_changes

    cli = of(ctx)
    found = list_changes(cli.app, limit=limit, by=cli.by)
    rows = [
        (
            one.id,
            f"{one.at:%Y-%m-%d %H:%M}",
            one.kind,
            one.what,
            "taken back"
            if one.undone_at
            else one.undo_until and f"until {one.undo_until:%Y-%m-%d}",
            one.reason,
        )
        for one in found
    ]
    cli.emit(found, table(("ID", "AT", "KIND", "WHAT", "CAN BE TAKEN BACK", "WHY"), rows))
