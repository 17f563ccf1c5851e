"""Use cases about rules: whoever works in the account reads them, distributors and admins keep them."""

from __future__ import annotations

from maild.core import rules, rules_tried
from tests.wall.rows import SOME, Look, Row, asked_at


def _added(act: str) -> Look:
    return lambda app, by, it, at: rules.add_rule(
        app, "New", f'text is x: {act} = "{it}"', account=at, by=by
    )


def _tried(act: str) -> Look:
    return lambda app, by, it, at: rules_tried.try_rule(
        app, f'text is x: {act} = "{it}"', account=at, by=by
    )


ROWS = [
    Row(
        rules.list_rules,
        "none",
        lambda app, by, it, at: rules.list_rules(app, account=at, by=by),
    ),
    Row(rules.show_rule, "rule", asked_at(rules.show_rule)),
    *(
        Row(function, kind, named(act), own=SOME, colleagues=SOME, note=f"{act} {kind}")
        for function, named in ((rules.add_rule, _added), (rules_tried.try_rule, _tried))
        for act, kind in (("owner", "user"), ("status", "status"), ("file", "client"))
    ),
    *(
        Row(function, "rule", asked_at(function), own=SOME, colleagues=SOME)
        for function in (rules.remove_rule, rules_tried.try_rule)
    ),
    Row(
        rules.switch_rule,
        "rule",
        lambda app, by, it, at: rules.switch_rule(app, it, on=True, account=at, by=by),
        own=SOME,
        colleagues=SOME,
    ),
    Row(
        rules.order_rule,
        "rule",
        lambda app, by, it, at: rules.order_rule(app, it, 1, account=at, by=by),
        own=SOME,
        colleagues=SOME,
    ),
]
