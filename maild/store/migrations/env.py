"""Alembic's entry: it is always handed an open connection by `maild.store.migrate`."""

from __future__ import annotations

from alembic import context

import maild.store.absence_tables
import maild.store.change_tables
import maild.store.client_tables
import maild.store.drop_tables
import maild.store.feed_tables
import maild.store.kept_answer_tables
import maild.store.login_tables
import maild.store.notice_tables
import maild.store.outbox_tables
import maild.store.people_tables
import maild.store.rule_tables
import maild.store.schema
import maild.store.search_tables
import maild.store.source_tables
import maild.store.thread_tables
import maild.store.verdicts
import maild.store.webhook_tables
import maild.store.writing_tables  # noqa: F401 - registers its tables
from maild.store.metadata import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
