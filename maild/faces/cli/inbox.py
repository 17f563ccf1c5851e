"""`maild inbox …`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from maild.faces.cli.context import Context, of
from maild.faces.cli.group import changes_of, group
from maild.faces.cli.options import WrongUsageError
from maild.faces.cli.output import fields, table
from maild.faces.cli.user import tell_warnings
from maild.model.people import InboxKind

if TYPE_CHECKING:
    from maild.core.inboxes import InboxView

app = group("The addresses that maild answers for, and who owns what comes in.")

Addr = Annotated[str, typer.Argument(metavar="ADDR", help="The inbox's address.")]


@app.command("add")
def add(
    ctx: typer.Context,
    *,
    addr: Addr,
    kind: Annotated[
        InboxKind, typer.Option(help="Colleagues forward to it, or the world writes to it.")
    ],
    mode: Annotated[str, typer.Option(metavar="distributed|communal")] = "distributed",
    owner: Annotated[
        str | None,
        typer.Option(
            metavar="EMAIL", help="The account's default owner or first admin if left out."
        ),
    ] = None,
    substitute: Annotated[list[str] | None, typer.Option(metavar="EMAIL")] = None,
    sender_policy: Annotated[
        str | None,
        typer.Option(metavar="require|record", help="forward: require; shared: record."),
    ] = None,
    unknown_policy: Annotated[
        str, typer.Option(metavar="hold|share|refuse", help="What becomes of a stranger's mail.")
    ] = "hold",
) -> None:
    """Add an inbox.  It also receives its +tags."""
    from maild.core.inboxes import NewInbox, add_inbox
    from maild.faces.documents import document

    cli = of(ctx)
    new = NewInbox(
        address=addr,
        kind=kind,
        mode=mode,
        owner=owner,
        substitutes=substitute or (),
        sender_policy=sender_policy,
        unknown_policy=unknown_policy,
    )
    added = add_inbox(cli.app, new, account=cli.account_slug, by=cli.by)
    shown = {**document(added.inbox), "warnings": list(added.warnings)}
    cli.emit(shown, f"Inbox {added.inbox.address} is there; its owner is {added.inbox.owner}.")
    tell_warnings(cli, added.warnings)


@app.command("list")
def list_(ctx: typer.Context) -> None:
    """List the inboxes of an account."""
    from maild.core.inboxes import list_inboxes

    cli = of(ctx)
    inboxes = list_inboxes(cli.app, account=cli.account_slug, by=cli.by)
    rows = [(one.address, one.kind, one.mode, one.owner, one.sender_policy) for one in inboxes]
    header = ("ADDRESS", "KIND", "MODE", "OWNER", "SENDERS")
    cli.emit(inboxes, table(header, rows))


@app.command("show")
def show(ctx: typer.Context, addr: Addr) -> None:
    """Show an inbox."""
    from maild.core.inboxes import show_inbox

    cli = of(ctx)
    _tell(cli, show_inbox(cli.app, addr, account=cli.account_slug, by=cli.by))


def _tell(cli: Context, inbox: InboxView) -> None:
    pairs: list[tuple[str, object]] = [
        ("address", inbox.address),
        ("account", inbox.account),
        ("kind", inbox.kind),
        ("mode", inbox.mode),
        ("owner today", inbox.owner),
        ("owner chain", list(inbox.owner_chain)),
        ("sender_policy", inbox.sender_policy),
        ("unknown_policy", inbox.unknown_policy),
        ("max_size", inbox.max_size),
        ("communal user", inbox.communal_user),
    ]
    cli.emit(inbox, fields(pairs))


@app.command("set")
def set_(
    ctx: typer.Context,
    addr: Addr,
    pairs: Annotated[list[str], typer.Argument(metavar="KEY=VALUE…")],
    plan: Annotated[
        bool, typer.Option("--plan", help="Only say what mode=… would do with the mail.")
    ] = False,
) -> None:
    """Change mode, sender_policy, unknown_policy, max_size (10MiB, none), owner, substitutes (by commas)."""
    from maild.core.communal import plan_mode
    from maild.core.inboxes import set_inbox

    cli = of(ctx)
    changes = changes_of(pairs)
    if plan:
        if set(changes) != {"mode"}:
            raise WrongUsageError("Only a change of mode has a plan: mode=distributed --plan.")
        planned = plan_mode(cli.app, addr, changes["mode"], account=cli.account_slug, by=cli.by)
        cli.emit(planned, planned.text)
        return
    inbox = set_inbox(cli.app, addr, changes, account=cli.account_slug, by=cli.by)
    cli.emit(inbox, f"Inbox {inbox.address} is changed; its owner is {inbox.owner}.")


@app.command("members")
def members(
    ctx: typer.Context,
    addr: Addr,
    add: Annotated[list[str] | None, typer.Option(metavar="EMAIL")] = None,
    remove: Annotated[list[str] | None, typer.Option(metavar="EMAIL")] = None,
) -> None:
    """Show or change who opens a communal inbox."""
    from maild.core.inboxes import inbox_members

    cli = of(ctx)
    found = inbox_members(
        cli.app,
        addr,
        add=add or (),
        remove=remove or (),
        account=cli.account_slug,
        by=cli.by,
    )
    rows = [(one["email"], one["name"]) for one in found.members]
    cli.emit(found.members, table(("EMAIL", "NAME"), rows))


@app.command("senders")
def senders(
    ctx: typer.Context,
    addr: Addr,
    add: Annotated[list[str] | None, typer.Option(metavar="EMAIL")] = None,
    remove: Annotated[list[str] | None, typer.Option(metavar="EMAIL")] = None,
) -> None:
    """Show or change who may write as a shared inbox; its owners, admins and distributors always may."""
    from maild.core.send_rights import inbox_senders

    cli = of(ctx)
    found = inbox_senders(
        cli.app, addr, add=add or (), remove=remove or (), account=cli.account_slug, by=cli.by
    )
    rows = [(one.email, one.name, one.because) for one in found.senders]
    cli.emit(found.senders, table(("EMAIL", "NAME", "BECAUSE"), rows))


@app.command("key")
def key(
    ctx: typer.Context,
    addr: Addr,
    new: Annotated[
        bool, typer.Option("--new", help="Make one and print it, once; the one before ends.")
    ] = False,
    revoke: Annotated[bool, typer.Option("--revoke", help="End the one it has.")] = False,
) -> None:
    """Say whether an inbox has a key for the HTTP door; make or end it."""
    from maild.core.inbox_keys import new_inbox_key, revoke_inbox_key, show_inbox_key

    cli = of(ctx)
    if new and revoke:
        raise WrongUsageError(
            "Take --new or --revoke, not both; --new ends the key before it, too."
        )
    act = new_inbox_key if new else revoke_inbox_key if revoke else show_inbox_key
    found = act(cli.app, addr, account=cli.account_slug, by=cli.by)
    if found.key is not None:
        cli.emit(found, found.key)
        cli.say(f"This key opens {found.inbox} from now on.  It is not shown again.")
    elif found.since is not None:
        cli.emit(found, f"{found.inbox} has a key, made {found.since:%F %H:%M} UTC.")
    else:
        cli.emit(found, f"{found.inbox} has no key: nothing comes in over HTTP.")
