"""Use cases about writing: who may write as an inbox, templates, what statuses do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from maild.core import send_rights, statuses, templates, writing
from maild.core.templates import TemplateText
from maild.core.writing_desk import Asked
from tests.core.company import READER
from tests.wall.rows import ADMIN, ALL, NONE, SOME, Look, Row, asked_at, own_mail

_NEW = TemplateText(text="Hello")


def _written(function: Callable[..., Any]) -> Look:
    return lambda app, by, it, at: function(app, READER, it, _ASKED, by=by)


def _senders(key: str) -> Look:
    changed: dict[str, list[str]] = {key: ["jan@acme.example"]}
    return lambda app, by, it, at: send_rights.inbox_senders(
        app, it, add=changed.get("add", ()), remove=changed.get("remove", ()), account=at, by=by
    )


_ASKED = Asked(text="x", to=["a@nowhere.example"], subject="x")

_LETTERS = [
    *(
        Row(
            function,
            "mail",
            _written(function),
            own=SOME,
            colleagues=SOME,
            refused="SENDER_NOT_ALLOWED",
        )
        for function in (writing.reply, writing.forward)
    ),
    *(
        Row(function, "erased", _written(function), may_hear="NOT_FOUND")
        for function in (writing.reply, writing.forward)
    ),
    Row(
        writing.reply,
        "template",
        lambda app, by, it, at: writing.reply(
            app, READER, own_mail(app, by), Asked(template=it), dry_run=True, by=by
        ),
        own=SOME,
        colleagues=SOME,
        refused="SENDER_NOT_ALLOWED",
    ),
    Row(
        writing.compose,
        "none",
        lambda app, by, it, at: writing.compose(app, READER, _ASKED, account=at, by=by).to,
    ),
    *(
        Row(
            writing.compose,
            kind,
            lambda app, by, it, at: writing.compose(
                app, READER, replace(_ASKED, sender=it), account=at, dry_run=True, by=by
            ),
            own=own,
            colleagues=colleagues,
            refused="SENDER_NOT_ALLOWED",
        )
        for kind, own, colleagues in (("inbox", SOME, SOME), ("alias", ALL, NONE))
    ),
]

ROWS = [
    *_LETTERS,
    Row(send_rights.inbox_senders, "inbox", asked_at(send_rights.inbox_senders)),
    *(
        Row(
            send_rights.inbox_senders,
            "inbox",
            _senders(key),
            own=ADMIN,
            colleagues=ADMIN,
            note=key,
        )
        for key in ("add", "remove")
    ),
    Row(
        send_rights.inbox_senders,
        "user",
        lambda app, by, it, at: send_rights.inbox_senders(
            app, "info@acme.example", add=[it], account=at, by=by
        ),
        own=ADMIN,
        colleagues=ADMIN,
    ),
    Row(
        statuses.describe_statuses,
        "none",
        lambda app, by, it, at: statuses.describe_statuses(app, account=at, by=by),
    ),
    Row(
        statuses.set_status_role,
        "status",
        lambda app, by, it, at: statuses.set_status_role(app, it, closes=True, account=at, by=by),
        own=ADMIN,
        colleagues=ADMIN,
    ),
    Row(
        templates.list_templates,
        "none",
        lambda app, by, it, at: templates.list_templates(app, account=at, by=by),
    ),
    Row(templates.show_template, "template", asked_at(templates.show_template)),
    Row(
        templates.add_template,
        "none",
        lambda app, by, it, at: templates.add_template(app, "New", _NEW, account=at, by=by),
        own=SOME,
        note="shared",
    ),
    Row(
        templates.add_template,
        "status",
        lambda app, by, it, at: templates.add_template(
            app, "New", TemplateText(text="x", sets_status=it), shared=False, account=at, by=by
        ),
    ),
    Row(
        templates.add_template,
        "inbox",
        lambda app, by, it, at: templates.add_template(
            app, "New", TemplateText(text="x", sender=it), shared=False, account=at, by=by
        ),
        own=SOME,
        colleagues=SOME,
        refused="SENDER_NOT_ALLOWED",
    ),
    Row(
        templates.set_template,
        "template",
        lambda app, by, it, at: templates.set_template(
            app, it, TemplateText(text="x"), account=at, by=by
        ),
        own=SOME,
        colleagues=SOME,
    ),
    Row(
        templates.remove_template,
        "template",
        asked_at(templates.remove_template),
        own=SOME,
        colleagues=SOME,
    ),
]
