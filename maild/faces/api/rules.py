"""`/rules`: what is done with mail by what it looks like (M11)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from starlette.responses import Response

from maild.core import rules, rules_tried
from maild.core.app import Actor, App
from maild.core.rules import RuleView
from maild.core.rules_tried import LAST, LAST_MAX, Tried
from maild.faces.api.calls import Asked, Told
from maild.faces.api.parts import part
from maild.faces.api.shapes import Rules
from maild.faces.api.words import Account, Asking, Flag, Id, Line, Text
from maild.model.reason import Reason, RefusedError

routes = part("rules", "/rules")


class NewRule(Asking):
    """A rule to be added at the end of the list."""

    name: Line
    text: Text
    """As `subject contains invoice: owner = Anna, status = Waiting`."""
    on: Flag = False
    """Whether it is heard from the next mail on."""


class RuleChanges(Asking):
    """What is to be changed of a rule: one of the two."""

    on: Flag | None = None
    position: int | None = None
    """Counted from 1."""


class Trial(Asking):
    """A rule to be tried on the newest mails."""

    rule: Text
    """A rule as it is typed, or the name of one."""
    last: Annotated[int, Field(ge=1, le=LAST_MAX)] = LAST


@routes.get("", response_model=Rules)
async def list_rules(call: Asked, account: Account = None) -> Response:
    """List an account's rules in the order in which they are heard."""
    return await call.answer(
        lambda app, by: {"rules": rules.list_rules(app, account=account, by=by)}
    )


@routes.post("", status_code=201, response_model=RuleView)
async def add_rule(call: Asked, new: NewRule, account: Account = None) -> Response:
    """Add a rule; it waits to be switched on unless it is `on`."""
    return await call.answer(
        lambda app, by: Told(
            rules.add_rule(app, new.name, new.text, on=new.on, account=account, by=by), 201
        )
    )


@routes.post("/try", response_model=Tried)
async def try_rule(call: Asked, trial: Trial, account: Account = None) -> Response:
    """Say what a rule would have done to the newest mails; nothing is changed."""
    return await call.answer(
        lambda app, by: rules_tried.try_rule(
            app, trial.rule, last=trial.last, account=account, by=by
        )
    )


@routes.get("/{rule_id}", response_model=RuleView)
async def show_rule(call: Asked, rule_id: Id, account: Account = None) -> Response:
    """Show a rule, by id or name."""
    return await call.answer(lambda app, by: rules.show_rule(app, rule_id, account=account, by=by))


@routes.patch("/{rule_id}", response_model=RuleView)
async def change_rule(
    call: Asked, rule_id: Id, changes: RuleChanges, account: Account = None
) -> Response:
    """Switch a rule on or off, or move it within the list."""
    if (changes.on is None) is (changes.position is None):
        raise RefusedError(Reason.INVALID_REQUEST, why="body: it has either `on` or `position`")

    def change(app: App, by: Actor) -> RuleView:
        if changes.on is not None:
            return rules.switch_rule(app, rule_id, on=changes.on, account=account, by=by)
        position = changes.position or 0
        moved = rules.order_rule(app, rule_id, position, account=account, by=by)
        return moved[position - 1]

    return await call.answer(change)


@routes.delete("/{rule_id}", response_model=RuleView)
async def remove_rule(call: Asked, rule_id: Id, account: Account = None) -> Response:
    """Remove a rule; what it did stays."""
    return await call.answer(
        lambda app, by: rules.remove_rule(app, rule_id, account=account, by=by)
    )
