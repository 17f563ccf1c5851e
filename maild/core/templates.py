"""Templates: texts that people answer with, shared in the account or somebody's own (M8).

A variable stands for a text and is never a header: what it holds cannot end a line of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from maild.core.app import Actor, App
from maild.core.send_rights import identity, shared_inbox
from maild.core.standing import home, is_admin, note, require_member
from maild.core.statuses import named_status
from maild.model.people import Role
from maild.model.plain_text import one_line, short, storable, trimmed
from maild.model.reason import Reason, RefusedError
from maild.model.writing import SUBJECT_MAX, TEXT_MAX, Variable, unknown_variables
from maild.store.accounts import AccountRow
from maild.store.store import Tx
from maild.store.templates import TemplateRow

NAME_MAX = 60
TEMPLATES_MAX = 500
"""Of what one person sees in an account: the list is shown whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateView:
    """A template as the interface shows it."""

    id: str
    name: str
    subject: str
    """Empty: an answer keeps its own."""
    text: str
    sender: str | None
    """As whom it is always sent; None: as the address that the client wrote to."""
    sets_status: str | None
    """What the answered mail gets."""
    shared: bool
    """False: it is somebody's own."""
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateText:
    """What is asked for; None leaves as it is, and an empty sender or status takes it away."""

    subject: str | None = None
    text: str | None = None
    sender: str | None = None
    sets_status: str | None = None


def list_templates(app: App, *, account: str | None = None, by: Actor) -> list[TemplateView]:
    """Return the templates that somebody can use: the shared ones and their own.  Reads only.  Raises RefusedError."""
    with app.store.read() as tx:
        where = home(tx, account, by)
        require_member(tx, where, by)
        return [_view(row) for row in tx.templates.of(where.id, by.user_id)]


def show_template(app: App, name: str, *, account: str | None = None, by: Actor) -> TemplateView:
    """Return the template of that name or id.  Reads only.  Raises RefusedError (NOT_FOUND, account's)."""
    with app.store.read() as tx:
        where = home(tx, account, by)
        require_member(tx, where, by)
        return _view(find_template(tx, where, name, by))


def add_template(
    app: App,
    name: str,
    text: TemplateText,
    *,
    shared: bool = True,
    account: str | None = None,
    by: Actor,
) -> TemplateView:
    """Add a template.  A shared one is an admin's or distributor's to keep; everybody keeps their own.

    Commits one transaction.  Raises RefusedError (INVALID_VALUE for an unknown variable, with the list; ALREADY_EXISTS,
    NOT_FOUND, NOT_ALLOWED, SENDER_NOT_ALLOWED, CONFLICT when there are too many, account's).
    """
    name = one_line("The name", name, most=NAME_MAX)
    if not (text.text or "").strip():
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="The text",
            value="",
            why="it is empty; a template has a text",
        )
    ulid, now = app.ids(), app.clock()
    with app.store.write() as tx:
        where = home(tx, account, by, hold=True)
        require_member(tx, where, by)
        owner = _owner_of_new(tx, where, by, shared=shared)
        rows = tx.templates.of(where.id, by.user_id)
        _require_free(rows, name, owner)
        if len(rows) >= TEMPLATES_MAX:
            raise RefusedError(
                Reason.CONFLICT, why=f"There are {TEMPLATES_MAX} templates already; remove one."
            )
        values = {"subject": "", "inbox_id": None, "status_id": None}
        values |= _values(tx, where, text, by)
        tx.templates.add(
            {
                **values,
                "ulid": ulid,
                "account_id": where.id,
                "user_id": owner,
                "name": name,
                "by_user_id": by.user_id,
                "at": now,
            }
        )
        note(tx, app, by, "template.added", where.id, template=ulid)
        return _view(find_template(tx, where, ulid, by))


def set_template(
    app: App,
    name: str,
    changes: TemplateText,
    *,
    rename: str | None = None,
    account: str | None = None,
    by: Actor,
) -> TemplateView:
    """Change a template.  Commits one transaction.  Raises as `add_template`."""
    new_name = None if rename is None else one_line("The name", rename, most=NAME_MAX)
    if changes.text is not None and not changes.text.strip():
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="The text",
            value="",
            why="it is empty; a template has a text",
        )
    with app.store.write() as tx:
        where = home(tx, account, by, hold=True)
        require_member(tx, where, by)
        row = find_template(tx, where, name, by)
        _require_keeper(tx, where, row, by)
        values = _values(tx, where, changes, by)
        if new_name is not None:
            others = [one for one in tx.templates.of(where.id, by.user_id) if one.id != row.id]
            _require_free(others, new_name, row.user_id)
            values["name"] = new_name
        if values:
            tx.templates.change(row.id, values)
            note(tx, app, by, "template.changed", where.id, template=row.ulid)
        return _view(find_template(tx, where, row.ulid, by))


def remove_template(app: App, name: str, *, account: str | None = None, by: Actor) -> TemplateView:
    """Remove a template; what was sent by it stays.  Commits one transaction.  Raises RefusedError."""
    with app.store.write() as tx:
        where = home(tx, account, by, hold=True)
        require_member(tx, where, by)
        row = find_template(tx, where, name, by)
        _require_keeper(tx, where, row, by)
        tx.templates.remove(row.id)
        note(tx, app, by, "template.removed", where.id, template=row.ulid)
        return _view(row)


def find_template(tx: Tx, where: AccountRow, name: str, by: Actor) -> TemplateRow:
    """Return the template of that name or id; of two of a name one's own.  Raises RefusedError NOT_FOUND."""
    wanted = trimmed(name).casefold()
    rows = tx.templates.of(where.id, by.user_id)
    named = [row for row in rows if row.ulid == name or row.name.casefold() == wanted]
    if named:
        return next((row for row in named if row.user_id is not None), named[0])
    raise RefusedError(
        Reason.NOT_FOUND,
        noun="template",
        value=short(name),
        hint="`maild template list` shows them.",
    )


def _owner_of_new(tx: Tx, where: AccountRow, by: Actor, *, shared: bool) -> int | None:
    if not shared:
        if by.user_id is None:
            raise RefusedError(
                Reason.NOT_ALLOWED, why="Say whose own template it is: --by EMAIL; or share it."
            )
        return by.user_id
    _require_sharer(tx, where, by)
    return None


def _require_sharer(tx: Tx, where: AccountRow, by: Actor) -> None:
    if is_admin(tx, where.id, by):
        return
    role = None if by.user_id is None else tx.rights.active_role(where.id, by.user_id)
    if role is not Role.DISTRIBUTOR:
        raise RefusedError(
            Reason.NOT_ALLOWED,
            why="Only admins and distributors keep the templates that everybody has; make one of your own "
            "(--private).",
        )


def _require_keeper(tx: Tx, where: AccountRow, row: TemplateRow, by: Actor) -> None:
    if row.user_id is None:
        _require_sharer(tx, where, by)


def _require_free(rows: list[TemplateRow], name: str, owner: int | None) -> None:
    same = (row for row in rows if (row.user_id is None) is (owner is None))
    if any(row.name.casefold() == name.casefold() for row in same):
        raise RefusedError(
            Reason.ALREADY_EXISTS, noun="template", value=name, hint="Choose another name."
        )


def _values(tx: Tx, where: AccountRow, text: TemplateText, by: Actor) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if text.subject is not None:
        subject = text.subject.strip()
        values["subject"] = subject and one_line("The subject", subject, most=SUBJECT_MAX)
    if text.text is not None:
        values["text"] = _text(text.text)
    _require_known(values)
    if text.sender is not None:
        values["inbox_id"] = _sender(tx, where, text.sender, by) if text.sender.strip() else None
    if text.sets_status is not None:
        names = tx.mailbox.status_names(where.id)
        wanted = text.sets_status
        values["status_id"] = names[named_status(names, wanted)] if wanted.strip() else None
    return values


def _text(text: str) -> str:
    if len(text) > TEXT_MAX:
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="The text",
            value=short(text, 20),
            why=f"it is longer than {TEXT_MAX} characters",
        )
    return storable("\n".join(text.splitlines()))


def _require_known(values: Mapping[str, Any]) -> None:
    unknown = unknown_variables(values[key] for key in ("subject", "text") if key in values)
    if unknown:
        known = ", ".join(f"{{{one.value}}}" for one in Variable)
        raise RefusedError(
            Reason.INVALID_VALUE,
            what="The template",
            value=f"{{{unknown[0]}}}",
            why=f"there is no such variable; there are {known}",
        )


def _sender(tx: Tx, where: AccountRow, text: str, by: Actor) -> int:
    """Return the inbox as which a template is always sent; who sets it has the right to write so."""
    inbox = shared_inbox(tx, where, text)
    if by.user_id is not None:
        identity(tx, where, inbox.norm, by.user_id)
    return inbox.id


def _view(row: TemplateRow) -> TemplateView:
    return TemplateView(
        id=row.ulid,
        name=row.name,
        subject=row.subject,
        text=row.text,
        sender=row.inbox,
        sets_status=row.status,
        shared=row.user_id is None,
        created_at=row.at,
    )
