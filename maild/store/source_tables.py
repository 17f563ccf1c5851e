"""The tables of sources: mailboxes of other servers, the ledger of what was taken from them, and leases.

Belongs to `schema`; apart because it is read for another reason.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from maild.model.source import Acted, CopyState, SignIn, SourceKind, TlsMode
from maild.store.metadata import metadata
from maild.store.types import BigId, Json, UtcDateTime, one_of

sources = Table(
    "sources",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("account_id", BigId, ForeignKey("accounts.id"), nullable=False),
    Column("name", Text, nullable=False),
    # Where its mail goes; of a central source, where mail goes that does not tell its recipient.
    Column("inbox_id", BigId, ForeignKey("inboxes.id"), nullable=False),
    Column("is_central", Boolean, nullable=False),
    Column("recipient_header", Text),  # the one field that its server writes (D14)
    Column("kind", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("tls", Text, nullable=False),
    Column("ca_file", Text, nullable=False, server_default=""),
    Column("username", Text, nullable=False),
    Column("sign_in", Text, nullable=False),
    Column("secret", Text),  # sealed, bound to host, port, user and TLS (T16)
    Column("options", Json, nullable=False),  # the rest of the sign-in; nothing secret
    Column("folder", Text, nullable=False),  # empty: INBOX
    # Host, user and folder: one mailbox is polled once in the whole installation (D10).
    Column("mailbox", Text, nullable=False, unique=True),
    Column("after", Text, nullable=False),  # keep, delete, delete:14d, seen, move:FOLDER
    Column("since", Text),  # all, none or a date; None: it waits for the choice (D8)
    Column("every_s", Integer, nullable=False),
    Column("is_paused", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),  # of what an admin set
    # How it goes.
    Column("fail_count", Integer, nullable=False, server_default="0"),
    Column("next_try_at", UtcDateTime),
    Column("last_try_at", UtcDateTime),
    Column("last_ok_at", UtcDateTime),
    Column("last_trouble", Text),  # a word of `core.remote.Trouble`; None: the last round went well
    Column("last_said", Text),  # what the server said then
    Column("backlog", Integer, nullable=False, server_default="0"),
    Column("round", Json),  # the last or the present round's figures
    Column("asked_at", UtcDateTime),  # somebody wants a round now
    UniqueConstraint("account_id", "name"),
    CheckConstraint(one_of("kind", SourceKind), name="kind"),
    CheckConstraint(one_of("tls", TlsMode), name="tls"),
    CheckConstraint(one_of("sign_in", SignIn), name="sign_in"),
)

source_folders = Table(
    "source_folders",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("source_id", BigId, ForeignKey("sources.id"), nullable=False),
    Column("name", Text, nullable=False),
    # None for POP; 0: the numbers are another server's, and say nothing any more.
    Column("uidvalidity", BigId),
    Column(
        "generation", Integer, nullable=False
    ),  # of the server's numbers; rises when they change
    Column("uid_high", BigId, nullable=False, server_default="0"),  # all below is in the ledger
    Column("baseline", BigId),  # the first UID that was not there when the ledger began
    Column("is_begun", Boolean, nullable=False),  # the first listing is in the ledger
    Column("held", Json),  # figures of a renumbering that asks a person; None: all is well
    UniqueConstraint("source_id", "name"),
)

remote_copies = Table(
    "remote_copies",
    metadata,
    # The ledger (D5): what was seen on a server, and what became of it.  A row is never deleted while its source is there.
    Column("id", BigId, primary_key=True),
    Column("folder_id", BigId, ForeignKey("source_folders.id"), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("uid", BigId, nullable=False, server_default="0"),  # IMAP
    Column("uidl", Text, nullable=False, server_default=""),  # POP; or the print of a header
    Column("ordinal", Integer, nullable=False, server_default="0"),  # among equal UIDLs
    Column("state", Text, nullable=False),
    Column("acted", Text, nullable=False),
    Column("size", Integer),  # as the server announced it
    Column("internal_date", UtcDateTime),
    Column("header_print", Text),  # of Message-ID, Date, From and Subject
    Column("digest", Text),
    Column("message_id", BigId, ForeignKey("messages.id")),
    Column("adopted_from", BigId),  # the row of an earlier generation that it is the same mail as
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("trouble", Text),
    Column("first_seen_at", UtcDateTime, nullable=False),
    Column("stored_at", UtcDateTime),
    Column("gone_at", UtcDateTime),  # the server no longer has it
    UniqueConstraint("folder_id", "generation", "uid", "uidl", "ordinal"),
    Index(
        "ix_remote_copies_to_act",
        "folder_id",
        "stored_at",
        "id",
        sqlite_where=text("acted = 'due' OR acted = 'begun'"),
        postgresql_where=text("acted = 'due' OR acted = 'begun'"),
    ),
    Index(
        "ix_remote_copies_open",
        "folder_id",
        "attempts",
        "id",
        sqlite_where=text("state = 'open'"),
        postgresql_where=text("state = 'open'"),
    ),
    Index("ix_remote_copies_message_id", "message_id"),
    CheckConstraint(one_of("state", CopyState), name="state"),
    CheckConstraint(one_of("acted", Acted), name="acted"),
)

leases = Table(
    "leases",
    metadata,
    # Who alone may do something.  The epoch rises with each holder, so that a late one is known by it (fencing).
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("epoch", BigId, nullable=False),
    Column("until", UtcDateTime, nullable=False),  # by the database's clock
)
