"""`maild mail repair | heal | remembered | forget`: what a person can do about a mail that waits, and what follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from maild.faces.cli.context import Context, of
from maild.faces.cli.mail_shared import Id, a_reader, tell
from maild.faces.cli.options import WrongUsageError
from maild.faces.cli.plain import line
from maild.faces.documents import document
from maild.model.plain_text import so_many

if TYPE_CHECKING:
    from maild.core.healing import Matching
    from maild.core.repairs import Repair, Repaired, Repairs

commands = typer.Typer()
"""Joined to the others of `maild mail`."""


@commands.command()
def repair(
    ctx: typer.Context,
    id_: Id,
    action: Annotated[
        str | None, typer.Argument(metavar="ACTION", help="One of those that it offers.")
    ] = None,
    value: Annotated[str | None, typer.Argument(metavar="VALUE", help="What it needs.")] = None,
    remember: Annotated[
        bool, typer.Option("--remember", help="Let the account's next such mail go the same way.")
    ] = False,
) -> None:
    """Show what can be done about a mail; with ACTION do it, and decide the mail again in place."""
    from maild.core.repairs import Asked, repair as repair_mail, repairs_of

    cli = of(ctx)
    if action is None:
        if remember:
            raise WrongUsageError("--remember goes with an ACTION.")
        _tell_offers(cli, repairs_of(cli.app, id_, by=cli.by))
        return
    asked = Asked(action=action, value=value, remember=remember)
    with a_reader() as reader:
        done = repair_mail(cli.app, reader, id_, asked, by=cli.by)
    _tell_done(cli, done)


def _tell_offers(cli: Context, found: Repairs) -> None:
    lines = [f"{found.id} is {found.state.value}: {line(found.reason_text)}."]
    for one in found.repairs:
        lines += _offer_lines(one)
    if not found.repairs:
        lines.append("There is nothing that you can do about it here.")
    tell(cli, document(found), lines)


def _offer_lines(one: Repair) -> list[str]:
    lines = [f"  {one.action}: {line(one.text)}", f"      {one.command}"]
    if one.value is not None:
        lines.append(f"      VALUE: {one.value}")
    lines += [f"        {line(choice.value)}  {line(choice.text)}" for choice in one.choices]
    if one.can_remember:
        lines.append("      --remember: so with the next mail of that address")
    return lines


def _tell_done(cli: Context, done: Repaired) -> None:
    lines = [
        line(done.text),
        *(f"  {line(one)}" for one in done.lines),
        f"{done.id} is {done.state.value}: {line(done.reason_text)}.",
        f"Change {done.change}",
    ]
    tell(cli, document(done), lines)
    if done.others is not None:
        cli.say(offer_of(done.others))


def offer_of(found: Matching) -> str:
    """Return the sentence that offers other mails."""
    many = "1 other mail waits" if found.count == 1 else f"{found.count} other mails wait"
    if found.heals_itself:
        return f"{many} for this; the account heals by itself, so they are being decided again."
    return f"{many} for this and may be filed now: {found.command}"


def tell_matching(cli: Context, names: Sequence[str], account: str | None = None) -> None:
    """Say how many mails wait for what was just found out about these addresses, or @domains; nothing if none does."""
    from maild.core.healing import matching_held
    from maild.core.waiting import NAMES_MAX

    # What was found out is written already: however many they are, this may only tell.
    for start in range(0, len(names), NAMES_MAX):
        some = names[start : start + NAMES_MAX]
        found = matching_held(cli.app, some, account=account or cli.account_slug, by=cli.by)
        if found.count:
            cli.say(offer_of(found))


def tell_matching_of_user(cli: Context, email: str, names: Sequence[str]) -> None:
    """The same for each account that a user works in."""
    from maild.core.healing import matching_of_user

    for found in matching_of_user(cli.app, email, names, by=cli.by):
        cli.say(offer_of(found))


def file_remembering(cli: Context, ids: Sequence[str], client: str) -> None:
    """File mails under a client, and say what is remembered of it."""
    from maild.core.repairs import file_and_remember

    with a_reader() as reader:
        filed = file_and_remember(cli.app, reader, ids, client=client, by=cli.by)
    change = filed.change
    shown = {
        "change": change.id,
        "moved": change.moved,
        "unchanged": change.unchanged,
        "remembered": filed.remembered,
    }
    count = len(change.moved)
    lines = [
        f"Filed: {count} mail{'' if count == 1 else 's'}.",
        f"Remembered: {', '.join(filed.remembered)}",
        f"Change {change.id}",
    ]
    tell(cli, shown, lines)
    tell_matching(cli, filed.remembered)


@commands.command()
def heal(
    ctx: typer.Context,
    names: Annotated[
        list[str], typer.Argument(metavar="ADDR…", help="Addresses; @example.com is a domain.")
    ],
) -> None:
    """Decide the held and unfiled mails again that name these addresses; they keep their dates."""
    from maild.core.healing import heal as heal_mails

    cli = of(ctx)
    with a_reader() as reader:
        healed = heal_mails(
            cli.app,
            reader,
            names,
            account=cli.account_slug,
            told=lambda count: cli.say(f"{so_many(count)} decided again …"),
            by=cli.by,
        )
    text = f"Decided again: {so_many(healed.count)}; {healed.filed} of them are filed now."
    tell(cli, document(healed), [text])


@commands.command()
def remembered(ctx: typer.Context) -> None:
    """List what the account remembers: whom it trusts, and which client an address means."""
    from maild.core.standing_rulings import list_remembered

    cli = of(ctx)
    found = list_remembered(cli.app, account=cli.account_slug, by=cli.by)
    lines = [
        f"{line(one.subject)}: {line(one.text)} ({line(one.by)}, {one.at:%F})" for one in found
    ]
    tell(cli, document(found), lines or ["Nothing is remembered."])


@commands.command()
def forget(
    ctx: typer.Context,
    subject: Annotated[
        str, typer.Argument(metavar="SUBJECT", help="As `maild mail remembered` shows it.")
    ],
) -> None:
    """End what the account remembers about something; mails that it decided stay as they are."""
    from maild.core.standing_rulings import forget_answer

    cli = of(ctx)
    gone = forget_answer(cli.app, subject, account=cli.account_slug, by=cli.by)
    tell(cli, document(gone), [f"Forgotten: {line(gone.text)}"])
