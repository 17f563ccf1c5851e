"""`maild rule …`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from maild.faces.cli.context import Context, of
from maild.faces.cli.group import group
from maild.faces.cli.output import fields, printable, table
from maild.model.plain_text import so_many

if TYPE_CHECKING:
    from maild.core.rules import RuleView
    from maild.core.rules_tried import Tried

app = group("Rules: whose a mail is, its status and its client, by what it looks like.")

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="As `maild rule list` shows it, or its id.")
]


@app.command("add")
def add(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    rule: Annotated[
        str,
        typer.Argument(
            metavar="RULE", help="As: subject contains invoice: owner = Anna, status = Waiting"
        ),
    ],
    enable: Annotated[
        bool, typer.Option("--enable", help="Let it be heard from the next mail on.")
    ] = False,
) -> None:
    """Add a rule at the end of the list; without --enable it waits to be switched on."""
    from maild.core.rules import add_rule

    cli = of(ctx)
    added = add_rule(cli.app, name, rule, on=enable, account=cli.account_slug, by=cli.by)
    tried = _try(cli, added.name)
    state = "on" if added.on else f"off; `maild rule enable {printable(added.id)}` switches it on"
    _answer(cli, added, tried, f"The rule {printable(added.name)} is there, and {state}.")


@app.command("list")
def list_(ctx: typer.Context) -> None:
    """List the rules in the order in which they are heard."""
    from maild.core.rules import list_rules

    cli = of(ctx)
    _tell_list(cli, list_rules(cli.app, account=cli.account_slug, by=cli.by))


@app.command("show")
def show(ctx: typer.Context, name: Name) -> None:
    """Show a rule."""
    from maild.core.rules import show_rule

    cli = of(ctx)
    rule = show_rule(cli.app, name, account=cli.account_slug, by=cli.by)
    pairs: list[tuple[str, object]] = [
        ("name", rule.name),
        ("id", rule.id),
        ("position", rule.position),
        ("rule", rule.text),
        ("on", rule.on),
        ("broken", rule.broken),
        ("created", rule.created_at),
    ]
    cli.emit(rule, fields(pairs))


@app.command("remove")
def remove(ctx: typer.Context, name: Name) -> None:
    """Remove a rule; what it did stays."""
    from maild.core.rules import remove_rule

    cli = of(ctx)
    gone = remove_rule(cli.app, name, account=cli.account_slug, by=cli.by)
    cli.emit(gone, f"The rule {printable(gone.name)} is gone: {printable(gone.text)}")


@app.command("enable")
def enable(ctx: typer.Context, name: Name) -> None:
    """Switch a rule on, and say what it would have done to the mails that are there."""
    from maild.core.rules import switch_rule

    cli = of(ctx)
    rule = switch_rule(cli.app, name, on=True, account=cli.account_slug, by=cli.by)
    tried = _try(cli, rule.id)
    _answer(cli, rule, tried, f"The rule {printable(rule.name)} is on from the next mail on.")


@app.command("disable")
def disable(ctx: typer.Context, name: Name) -> None:
    """Switch a rule off; what it did stays."""
    from maild.core.rules import switch_rule

    cli = of(ctx)
    rule = switch_rule(cli.app, name, on=False, account=cli.account_slug, by=cli.by)
    cli.emit(rule, f"The rule {printable(rule.name)} is off.")


@app.command("order")
def order(
    ctx: typer.Context,
    name: Name,
    position: Annotated[int, typer.Argument(metavar="POSITION", help="1 is heard first.")],
) -> None:
    """Move a rule to another position."""
    from maild.core.rules import order_rule

    cli = of(ctx)
    _tell_list(cli, order_rule(cli.app, name, position, account=cli.account_slug, by=cli.by))


@app.command("try")
def try_(
    ctx: typer.Context,
    rule: Annotated[
        str, typer.Argument(metavar="RULE", help="A rule as it is typed, or the name of one.")
    ],
    last: Annotated[int, typer.Option(metavar="N", help="How many mails, newest first.")] = 1000,
) -> None:
    """Say what a rule would have done to the newest mails; nothing is changed."""
    cli = of(ctx)
    tried = _try(cli, rule, last)
    cli.emit(tried, _table(tried))


def _try(cli: Context, what: str, last: int = 1000) -> Tried:
    from maild.core.rules_tried import try_rule

    def say(number: int) -> None:
        if number % 1000 == 0 and number < last:
            cli.say(f"{so_many(number)} looked at")

    return try_rule(cli.app, what, last=last, account=cli.account_slug, by=cli.by, progress=say)


def _answer(cli: Context, rule: RuleView, tried: Tried, text: str) -> None:
    cli.emit({"rule": rule, "would_have": tried}, f"{text}\n{printable(rule.text)}")
    cli.say(_summary(tried))


def _summary(tried: Tried) -> str:
    unread = f" ({tried.not_readable} could not be read)" if tried.not_readable else ""
    return (
        f"Of the last {so_many(tried.looked_at)}{unread} it matches {tried.matched} "
        f"and would have changed {tried.would_change}."
    )


def _table(tried: Tried) -> str:
    if not tried.mails:
        return _summary(tried)
    header = ("ID", "RECEIVED", "FROM", "SUBJECT", "OWNER", "STATUS", "CLIENT")
    rows = [
        (
            one.id,
            one.received_at,
            one.sender[:40],
            one.subject[:40],
            _change(one.owner, one.owner_then),
            _change(one.status, one.status_then),
            _change(", ".join(one.clients), ", ".join(one.clients_then)),
        )
        for one in tried.mails
    ]
    more = tried.matched - len(tried.mails)
    end = f"\nand {more} more that match" if more > 0 else ""
    return f"{_summary(tried)}\n{table(header, rows)}{end}"


def _change(before: str | None, then: str | None) -> str:
    return before or "-" if before == then else f"{before or '-'} → {then or '-'}"


def _tell_list(cli: Context, rules: list[RuleView]) -> None:
    rows = [(one.position, one.name, _state(one), one.text) for one in rules]
    cli.emit(rules, table(("#", "NAME", "STATE", "RULE"), rows))
    for one in rules:
        if one.broken:
            cli.say(f"{one.name}: {one.broken}.")


def _state(rule: RuleView) -> str:
    state = "on" if rule.on else "off"
    return f"{state}, broken" if rule.broken else state
