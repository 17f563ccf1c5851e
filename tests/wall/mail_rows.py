"""Use cases about mails: lists, one mail, acts, repairs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from typing import Any

from maild.core import (
    attachments,
    conversations,
    counts,
    delivers_to,
    digest,
    feed,
    giants,
    giving,
    healing,
    lists,
    mailbox,
    mailbox_counts,
    marking,
    repairs,
    rulings,
    showing,
    standing_rulings,
    views,
)
from maild.core.app import Actor, App
from maild.core.lists import Wanted
from maild.model.reason import Reason
from tests.core.company import READER
from tests.wall.rows import (
    ADMIN,
    NONE,
    SOME,
    Look,
    Row,
    asked_of,
    held_mail,
    own_mail,
    the_client,
)

SHOWING = showing.Showing(READER)


def _decided(function: Callable[..., Any]) -> Look:
    return lambda app, by, it, at: function(app, READER, [it], by=by)


def _by_search(function: Callable[..., Any], name: str) -> Look:
    """Look at what giving by search does of what one word of it names."""

    def look(app: App, by: Actor, it: str, at: str | None) -> Any:
        words: dict[str, Any] = {name: it}
        return function(app, Wanted(account=at or "acme", **words), to=4, by=by)

    return look


def _by_search_in(function: Callable[..., Any]) -> Look:
    return lambda app, by, it, at: function(app, Wanted(account=it), to=4, by=by)


def _by_search_to(function: Callable[..., Any]) -> Look:
    return lambda app, by, it, at: function(app, Wanted(account="acme"), to=int(it), by=by)


def _filed(function: Callable[..., Any]) -> Look:
    return lambda app, by, it, at: function(app, READER, [it], client=the_client(app), by=by)


def _filed_under(function: Callable[..., Any]) -> Look:
    return lambda app, by, it, at: function(app, READER, [own_mail(app, by)], client=it, by=by)


def _repaired(reason: str, action: str) -> Look:
    return lambda app, by, it, at: repairs.repair(
        app, READER, held_mail(app, reason), repairs.Asked(action=action, value=it), by=by
    )


_MAILS = [
    Row(
        lists.list_mails,
        "none",
        lambda app, by, it, at: lists.list_mails(app, Wanted(account=at), by=by),
    ),
    Row(
        lists.list_mails,
        "user",
        lambda app, by, it, at: lists.list_mails(app, Wanted(account=at, owner=it), by=by),
        note="owner",
    ),
    Row(
        lists.list_mails,
        "inbox",
        lambda app, by, it, at: lists.list_mails(app, Wanted(account=at, inbox=it), by=by),
    ),
    Row(
        lists.list_mails,
        "client",
        lambda app, by, it, at: lists.list_mails(app, Wanted(account=at, client=it), by=by),
    ),
    Row(
        lists.list_mails,
        "status",
        lambda app, by, it, at: lists.list_mails(app, Wanted(account=at, status=it), by=by),
    ),
    Row(
        lists.list_mails,
        "mail",
        lambda app, by, it, at: lists.list_mails(app, Wanted(account=at, after=it), by=by),
        note="cursor",
    ),
    Row(
        feed.events_after,
        "none",
        lambda app, by, it, at: feed.events_after(app, account=at, by=by),
    ),
    Row(feed.feed_end, "none", lambda app, by, it, at: feed.feed_end(app, account=at, by=by)),
    Row(lists.user_id_of, "user", lambda app, by, it, at: lists.user_id_of(app, it, by=by)),
    *(
        Row(
            function,
            kind,
            asked_of(function),
        )
        for function in (views.raw_mail, views.mail_history, views.explain_mail)
        for kind in ("mail", "erased")
    ),
    Row(views.show_mail, "mail", lambda app, by, it, at: views.show_mail(app, READER, it, by=by)),
    *(
        Row(
            showing.show_html,
            kind,
            lambda app, by, it, at: showing.show_html(app, SHOWING, it, showing.Asked(), by=by),
        )
        for kind in ("mail", "erased")
    ),
    Row(showing.ticket_for, "mail", asked_of(showing.ticket_for)),
    *(
        Row(
            attachments.attachment,
            kind,
            lambda app, by, it, at: attachments.attachment(app, READER, it, "1", by=by),
        )
        for kind in ("mail", "erased")
    ),
    Row(
        attachments.archive,
        "mail",
        lambda app, by, it, at: attachments.archive(app, READER, it, by=by),
    ),
    Row(
        lists.mails_with_reason,
        "none",
        lambda app, by, it, at: lists.mails_with_reason(app, at, Reason.FILED_CONTACT, by=by),
        own=SOME,
    ),
    Row(
        counts.count_mails,
        "inbox",
        lambda app, by, it, at: counts.count_mails(app, it, account=at, by=by),
        own=SOME,
        colleagues=SOME,
    ),
    Row(
        mailbox.give,
        "mail",
        lambda app, by, it, at: mailbox.give(app, [it], to=4, by=by),
    ),
    Row(
        mailbox.give,
        "number",
        lambda app, by, it, at: mailbox.give(app, [own_mail(app, by)], to=int(it), by=by),
        note="to",
    ),
    Row(
        mailbox.give,
        "mail",
        lambda app, by, it, at: mailbox.give(app, [it, "01" + "H" * 24], to=4, by=by),
        own=NONE,
        colleagues=NONE,
        refused="NOT_FOUND",
        note="with one that is not there",
    ),
    Row(
        mailbox_counts.count_mailboxes,
        "none",
        lambda app, by, it, at: mailbox_counts.count_mailboxes(app, account=at, by=by),
    ),
    Row(
        mailbox_counts.count_mailboxes,
        "user",
        lambda app, by, it, at: mailbox_counts.count_mailboxes(app, it, account=at, by=by),
        colleagues=SOME,
        note="owner",
    ),
    Row(
        marking.mark_opened,
        "mail",
        lambda app, by, it, at: marking.mark_opened(app, [it], by=by),
    ),
    Row(marking.readers_of, "mail", asked_of(marking.readers_of)),
    Row(
        conversations.show_conversation,
        "mail",
        lambda app, by, it, at: conversations.show_conversation(app, it, by=by),
    ),
    Row(
        conversations.give_conversation,
        "mail",
        lambda app, by, it, at: conversations.give_conversation(app, it, to=4, by=by),
    ),
    Row(
        conversations.give_conversation,
        "number",
        lambda app, by, it, at: conversations.give_conversation(
            app, own_mail(app, by), to=int(it), by=by
        ),
        note="to",
    ),
    *(
        Row(
            function,
            kind,
            _by_search(function, name),
            note=name,
        )
        for function in (giving.find_to_give, giving.give_found)
        for kind, name in (("user", "owner"), ("inbox", "inbox"), ("client", "client"))
    ),
    *(
        Row(
            function,
            "account",
            _by_search_in(function),
        )
        for function in (giving.find_to_give, giving.give_found)
    ),
    *(
        Row(
            function,
            "number",
            _by_search_to(function),
            note="to",
        )
        for function in (giving.find_to_give, giving.give_found)
    ),
    Row(mailbox.take, "mail", lambda app, by, it, at: mailbox.take(app, it, by=by)),
    Row(
        mailbox.newest_change,
        "home",
        lambda app, by, it, at: mailbox.newest_change(app, int(it), by=by),
    ),
    Row(
        mailbox.undo,
        "change",
        lambda app, by, it, at: mailbox.undo(app, READER, change_id=it, by=by),
    ),
    Row(
        mailbox.set_unread,
        "mail",
        lambda app, by, it, at: mailbox.set_unread(app, [it], unread=True, by=by),
        colleagues=NONE,
    ),
    Row(
        mailbox.set_status,
        "mail",
        lambda app, by, it, at: mailbox.set_status(app, [it], "Done", by=by),
    ),
    Row(
        mailbox.set_status,
        "status",
        lambda app, by, it, at: mailbox.set_status(app, [own_mail(app, by)], it, by=by),
    ),
    Row(
        mailbox.add_note,
        "mail",
        lambda app, by, it, at: mailbox.add_note(app, it, "A note", by=by),
    ),
    Row(
        giants.ask_for_whole,
        "mail",
        lambda app, by, it, at: giants.ask_for_whole(app, [it], max_size=1, by=by),
    ),
    *(
        Row(
            function,
            "mail",
            _decided(function),
        )
        for function in (rulings.dismiss, rulings.retry, rulings.release_mails)
    ),
    *(
        Row(
            function,
            "mail",
            _filed(function),
        )
        for function in (rulings.file_by_hand, rulings.unfile)
    ),
    *(
        Row(
            function,
            "client",
            _filed_under(function),
        )
        for function in (rulings.file_by_hand, rulings.unfile)
    ),
    Row(
        healing.matching_held,
        "contact",
        lambda app, by, it, at: healing.matching_held(app, [it], account=at, by=by),
    ),
    Row(
        healing.heal,
        "contact",
        lambda app, by, it, at: healing.heal(app, READER, [it], account=at, by=by),
    ),
]

_REPAIRS = [
    Row(repairs.repairs_of, "mail", lambda app, by, it, at: repairs.repairs_of(app, it, by=by)),
    Row(
        repairs.repair,
        "mail",
        lambda app, by, it, at: repairs.repair(
            app, READER, it, repairs.Asked(action="dismiss"), by=by
        ),
    ),
    *(
        Row(repairs.repair, kind, _repaired(reason, action), own=may, colleagues=may, note=action)
        for reason, action, kind, may in (
            ("SENDER_UNCLEAR", "choose-user", "user", SOME),
            ("SENDER_UNKNOWN", "add-alias", "user", ADMIN),
            ("SENDER_UNKNOWN", "add-client", "client", SOME),
        )
    ),
    Row(
        repairs.file_and_remember,
        "mail",
        lambda app, by, it, at: repairs.file_and_remember(
            app, READER, [it], client=the_client(app), by=by
        ),
    ),
    Row(
        repairs.file_and_remember,
        "client",
        lambda app, by, it, at: repairs.file_and_remember(
            app, READER, [own_mail(app, by)], client=it, by=by
        ),
    ),
    Row(
        delivers_to.set_address,
        "alias",
        lambda app, by, it, at: delivers_to.set_address(
            app, it, {"delivers_to": "office@shared.example"}, by=by
        ),
        own=ADMIN,
        colleagues=ADMIN,
    ),
    Row(
        digest.preview_digests,
        "none",
        lambda app, by, it, at: digest.preview_digests(app, UTC, account=at, by=by),
        own=ADMIN,
        colleagues=ADMIN,
    ),
    Row(
        standing_rulings.list_remembered,
        "none",
        lambda app, by, it, at: standing_rulings.list_remembered(app, account=at, by=by),
    ),
    Row(
        standing_rulings.forget_answer,
        "remembered",
        lambda app, by, it, at: standing_rulings.forget_answer(app, it, account=at, by=by),
        own=ADMIN,
        colleagues=ADMIN,
    ),
    Row(
        healing.matching_of_user,
        "user",
        lambda app, by, it, at: healing.matching_of_user(app, it, ["a@of-beta.example"], by=by),
    ),
]


ROWS = [*_MAILS, *_REPAIRS]
