"""Every use case of core that somebody does: what it is asked about, and who may.

A row is one look at one thing.  `it` is what the thing is named by, `at` the account that is named beside it, if one is.
"""

from __future__ import annotations

from tests.wall import (
    login_rows,
    mail_rows,
    people_rows,
    place_rows,
    rule_rows,
    sharing_rows,
    writing_rows,
)
from tests.wall.rows import Row

ROWS: list[Row] = [
    *people_rows.ROWS,
    *place_rows.ROWS,
    *mail_rows.ROWS,
    *login_rows.ROWS,
    *rule_rows.ROWS,
    *writing_rows.ROWS,
    *sharing_rows.ROWS,
]

STEPS: dict[str, str] = {
    "acts.new_act": "makes a value",
    "asking.answering": "runs a use case of the table and counts it",
    "changing.require_operator_alone": "the question itself",
    "drops.replace_drops": "a step of a change of e-mail, in its transaction",
    "standing.require_operator": "the question itself",
    "standing.require_signed_in": "the question itself",
}
"""Public functions that are no use case; those whose first parameter is a transaction are steps of others anyway."""

NOBODYS: dict[str, tuple[str, ...]] = {
    "the doors, for mail that comes in; the recipient names the account": (
        "accept.accept",
        "accept.glance",
        "accept.publish",
        "accept.recipient",
        "acceptor.accept_all",
        "inbox_keys.open_inbox",
        "share_rows.store",
    ),
    "the pollers, under the lease of one source": (
        "collect.begin_acts",
        "collect.claim",
        "collect.end_acts",
        "collect.free_deleted",
        "collect.free_key",
        "collect.give_up",
        "collect.has_digest",
        "collect.has_size",
        "collect.known_keys",
        "collect.listed_again",
        "collect.message_ids",
        "collect.not_taken",
        "collect.open_folder",
        "collect.renew",
        "collect.still_ours",
        "collect.take",
        "collect.to_act",
        "collect.to_take",
        "collect.tried",
        "collect.unknown_uids",
        "collect.vanished",
        "collect.write_down",
        "polling.spool_for",
        "renumbered.adopt",
        "renumbered.compare",
        "renumbered.former",
        "renumbered.hold",
        "renumbered.inherit",
        "sources.is_polling_asked",
        "sources.note_round",
        "sources.sources_to_poll",
    ),
    "the operator's commands about a source, which `sources.source_row` has found": (
        "proving.ledger_of",
        "proving.prove",
        "proving.unlisted",
        "sources.ask_for_round",
        "sources.keep_secret",
    ),
    "the workers, about what is due; and use cases about mails that they were allowed": (
        "decide.decide_again",
        "decide.decide_due",
        "decide.decide_round",
        "healing.decide_waiting",
        "settle.fault",
        "settle.settle",
        "tickets.sealed_ticket",
    ),
    "acts on many mails, which have asked who may": ("giving.give_places",),
    "what comes round, for all accounts": (
        "clients_following.directory_due",
        "clients_following.note_round",
        "clients_following.take_page",
        "clients_sweeping.sweep",
        "digest.send_digests",
        "feed.place_events",
        "forgetting.forget_ended",
        "letters.returns_to",
        "outbox.give_back",
        "outbox.keep_hand",
        "outbox.note_fate",
        "outbox.release_errands",
        "outbox.take_hand",
        "quoting.join_old",
        "undo_change.forget_changes",
    ),
    "the operator, who sees everything": (
        "doctor.examine",
        "outbox.errand_counts",
        "standing.actor_for",
    ),
    "who is not known yet, or shows a secret: it says who acts": (
        "identities.attach_identity",
        "identities.keep_asking",
        "identities.kept_asking",
        "identities.sign_in_by",
        "resets.ask_reset",
        "resets.sign_up",
        "resets.use_reset",
        "sessions.begin_session",
        "sessions.end_session",
        "sessions.look",
        "sessions.terms_needed",
        "showing.show_by_ticket",
        "signing_in.check_password",
        "signing_in.check_submission",
        "tickets.opened_ticket",
        "tokens.look_up",
        "tokens.user_of_token",
        "totp.sealed",
        "totp.unsealed",
        "verifying.confirm_by_link",
    ),
}
"""Public functions of core that act in nobody's name, by who calls them."""
