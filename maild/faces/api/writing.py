"""`/templates`, and who may write as an inbox (M8)."""

from __future__ import annotations

from starlette.responses import Response

from maild.core import send_rights, templates
from maild.core.send_rights import InboxSenders
from maild.core.templates import TemplateText, TemplateView
from maild.faces.api.calls import Asked, Told
from maild.faces.api.parts import part
from maild.faces.api.shapes import Templates
from maild.faces.api.words import Account, Address, Asking, Flag, Id, Line, Many, Prose

routes = part("writing")


class NewTemplate(Asking):
    """A template to be added."""

    name: Line
    subject: Line = ""
    text: Prose
    """Variables are `{client.name}`, `{sender.name}`, `{sender.address}`, `{me.name}`, `{account.name}`, `{inbox}`,
    `{subject}`, `{date}`."""
    sender: Line = ""
    """The shared inbox as which it is always sent."""
    sets_status: Line = ""
    """What the answered mail gets."""
    shared: Flag = True


class TemplateChanges(Asking):
    """What is to be changed of a template; what is left out stays, and an empty sender or status takes it away."""

    name: Line | None = None
    subject: Line | None = None
    text: Prose | None = None
    sender: Line | None = None
    sets_status: Line | None = None


class SenderChanges(Asking):
    """Members who may write as the inbox from now on, or no longer."""

    add: Many = ()
    remove: Many = ()


@routes.get("/templates", response_model=Templates)
async def list_templates(call: Asked, account: Account = None) -> Response:
    """List the templates that the asker can use: the shared ones and their own."""
    return await call.answer(
        lambda app, by: {"templates": templates.list_templates(app, account=account, by=by)}
    )


@routes.post("/templates", status_code=201, response_model=TemplateView)
async def add_template(call: Asked, new: NewTemplate, account: Account = None) -> Response:
    """Add a template; a variable that there is not is refused, with the list."""
    words = TemplateText(
        subject=new.subject, text=new.text, sender=new.sender, sets_status=new.sets_status
    )
    return await call.answer(
        lambda app, by: Told(
            templates.add_template(app, new.name, words, shared=new.shared, account=account, by=by),
            201,
        )
    )


@routes.get("/templates/{template_id}", response_model=TemplateView)
async def show_template(call: Asked, template_id: Id, account: Account = None) -> Response:
    """Show a template, by id or name."""
    return await call.answer(
        lambda app, by: templates.show_template(app, template_id, account=account, by=by)
    )


@routes.patch("/templates/{template_id}", response_model=TemplateView)
async def change_template(
    call: Asked, template_id: Id, changes: TemplateChanges, account: Account = None
) -> Response:
    """Change a template."""
    words = TemplateText(
        subject=changes.subject,
        text=changes.text,
        sender=changes.sender,
        sets_status=changes.sets_status,
    )
    return await call.answer(
        lambda app, by: templates.set_template(
            app, template_id, words, rename=changes.name, account=account, by=by
        )
    )


@routes.delete("/templates/{template_id}", response_model=TemplateView)
async def remove_template(call: Asked, template_id: Id, account: Account = None) -> Response:
    """Remove a template; what was sent by it stays."""
    return await call.answer(
        lambda app, by: templates.remove_template(app, template_id, account=account, by=by)
    )


@routes.get("/inboxes/{address}/senders", response_model=InboxSenders)
async def list_senders(call: Asked, address: Address, account: Account = None) -> Response:
    """Tell who may write as a shared inbox, and why."""
    return await call.answer(
        lambda app, by: send_rights.inbox_senders(app, address, account=account, by=by)
    )


@routes.patch("/inboxes/{address}/senders", response_model=InboxSenders)
async def change_senders(
    call: Asked, address: Address, changes: SenderChanges, account: Account = None
) -> Response:
    """Let members write as a shared inbox, or no longer."""
    return await call.answer(
        lambda app, by: send_rights.inbox_senders(
            app, address, add=changes.add, remove=changes.remove, account=account, by=by
        )
    )
