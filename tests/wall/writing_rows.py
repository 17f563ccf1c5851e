"""Use cases about writing: who may write as an inbox, templates, what statuses do."""

from __future__ import annotations

from maild.core import send_rights, statuses, templates
from maild.core.templates import TemplateText
from tests.wall.rows import ADMIN, SOME, Look, Row, asked_at

_NEW = TemplateText(text="Hello")


def _senders(key: str) -> Look:
    changed: dict[str, list[str]] = {key: ["jan@acme.example"]}
    return lambda app, by, it, at: send_rights.inbox_senders(
        app, it, add=changed.get("add", ()), remove=changed.get("remove", ()), account=at, by=by
    )


ROWS = [
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
