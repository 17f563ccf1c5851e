"""Writing: send rights, templates, mails that people write; what statuses do

Revision: 0010, after: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import maild.store.types

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.create_table('send_rights',
    sa.Column('inbox_id', _BIG, nullable=False),
    sa.Column('user_id', _BIG, nullable=False),
    sa.Column('since', maild.store.types.UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['inbox_id'], ['inboxes.id'], name=op.f('fk_send_rights_inbox_id')),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_send_rights_user_id')),
    sa.PrimaryKeyConstraint('inbox_id', 'user_id', name=op.f('pk_send_rights'))
    )
    op.create_index('ix_send_rights_user_id', 'send_rights', ['user_id'], unique=False)
    op.create_table('templates',
    sa.Column('id', _BIG, nullable=False),
    sa.Column('ulid', sa.Text(), nullable=False),
    sa.Column('account_id', _BIG, nullable=False),
    sa.Column('user_id', _BIG, nullable=True),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('subject', sa.Text(), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('inbox_id', _BIG, nullable=True),
    sa.Column('status_id', _BIG, nullable=True),
    sa.Column('by_user_id', _BIG, nullable=True),
    sa.Column('at', maild.store.types.UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_templates_account_id')),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_templates_user_id')),
    sa.ForeignKeyConstraint(['inbox_id'], ['inboxes.id'], name=op.f('fk_templates_inbox_id')),
    sa.ForeignKeyConstraint(['status_id'], ['statuses.id'], name=op.f('fk_templates_status_id')),
    sa.ForeignKeyConstraint(['by_user_id'], ['users.id'], name=op.f('fk_templates_by_user_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_templates')),
    sa.UniqueConstraint('ulid', name=op.f('uq_templates_ulid'))
    )
    op.create_index('ix_templates_status_id', 'templates', ['status_id'], unique=False)
    op.create_index('uq_templates_shared', 'templates', ['account_id', 'name'], unique=True, sqlite_where=sa.text('user_id IS NULL'), postgresql_where=sa.text('user_id IS NULL'))
    op.create_index('uq_templates_private', 'templates', ['account_id', 'user_id', 'name'], unique=True, sqlite_where=sa.text('user_id IS NOT NULL'), postgresql_where=sa.text('user_id IS NOT NULL'))
    op.create_table('outgoing',
    sa.Column('id', _BIG, nullable=False),
    sa.Column('account_id', _BIG, nullable=False),
    sa.Column('message_id', _BIG, nullable=False),
    sa.Column('delivery_id', _BIG, nullable=False),
    sa.Column('author_id', _BIG, nullable=False),
    sa.Column('answers_id', _BIG, nullable=True),
    sa.Column('act', sa.Text(), nullable=False),
    sa.Column('sender', sa.Text(), nullable=False),
    sa.Column('mail_from', sa.Text(), nullable=False),
    sa.Column('needs_utf8', sa.Boolean(), nullable=False),
    sa.Column('at', maild.store.types.UtcDateTime(), nullable=False),
    sa.CheckConstraint("act IN ('compose', 'reply', 'forward')", name=op.f('ck_outgoing_act')),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_outgoing_account_id')),
    sa.ForeignKeyConstraint(['message_id'], ['messages.id'], name=op.f('fk_outgoing_message_id')),
    sa.ForeignKeyConstraint(['delivery_id'], ['deliveries.id'], name=op.f('fk_outgoing_delivery_id')),
    sa.ForeignKeyConstraint(['author_id'], ['users.id'], name=op.f('fk_outgoing_author_id')),
    sa.ForeignKeyConstraint(['answers_id'], ['deliveries.id'], name=op.f('fk_outgoing_answers_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_outgoing')),
    sa.UniqueConstraint('message_id', name=op.f('uq_outgoing_message_id')),
    sa.UniqueConstraint('delivery_id', name=op.f('uq_outgoing_delivery_id'))
    )
    op.create_index('ix_outgoing_answers_id', 'outgoing', ['answers_id'], unique=False)
    op.create_table('outgoing_recipients',
    sa.Column('id', _BIG, nullable=False),
    sa.Column('outgoing_id', _BIG, nullable=False),
    sa.Column('errand', sa.Text(), nullable=False),
    sa.Column('norm', sa.Text(), nullable=False),
    sa.Column('shown', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('said', sa.Text(), nullable=True),
    sa.Column('report', sa.Text(), nullable=True),
    sa.Column('report_code', sa.Text(), nullable=True),
    sa.Column('reported_at', maild.store.types.UtcDateTime(), nullable=True),
    sa.Column('report_id', _BIG, nullable=True),
    sa.CheckConstraint("kind IN ('to', 'cc', 'bcc')", name=op.f('ck_outgoing_recipients_kind')),
    sa.CheckConstraint("report IN ('delayed', 'failed')", name=op.f('ck_outgoing_recipients_report')),
    sa.ForeignKeyConstraint(['outgoing_id'], ['outgoing.id'], name=op.f('fk_outgoing_recipients_outgoing_id')),
    sa.ForeignKeyConstraint(['report_id'], ['deliveries.id'], name=op.f('fk_outgoing_recipients_report_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_outgoing_recipients')),
    sa.UniqueConstraint('errand', name=op.f('uq_outgoing_recipients_errand')),
    sa.UniqueConstraint('outgoing_id', 'norm', name=op.f('uq_outgoing_recipients_outgoing_id_norm'))
    )
    _what_statuses_do()
    _allow_topics("'mail', 'letter'")


def _what_statuses_do() -> None:
    for name in ('closes', 'reopens'):
        # Plain ADD COLUMN on both databases.
        op.add_column('statuses', sa.Column(name, sa.Boolean(), server_default=sa.false(), nullable=False))
    # The four names that accounts begin with do from now on what they say; whoever has others says which.
    for column, status in (('closes', 'Done'), ('reopens', 'In progress')):
        named = sa.table('statuses', sa.column('name', sa.Text()), sa.column(column, sa.Boolean()))
        op.execute(named.update().where(named.c.name == status).values({column: True}))


def _allow_topics(topics: str) -> None:
    """Write the CHECK anew.  SQLite makes the table anew for it; that one is small: errands, not mails."""
    with op.batch_alter_table('outbox', schema=None, copy_from=_outbox()) as batch_op:
        batch_op.drop_constraint(op.f('ck_outbox_topic'), type_='check')
        batch_op.create_check_constraint(op.f('ck_outbox_topic'), f"topic IN ({topics})")


def _outbox() -> sa.Table:
    return sa.Table('outbox', sa.MetaData(),
    sa.Column('id', _BIG, nullable=False),
    sa.Column('ulid', sa.Text(), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('topic', sa.Text(), nullable=False),
    sa.Column('account_id', _BIG, nullable=True),
    sa.Column('payload', maild.store.types.Json(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('due_at', maild.store.types.UtcDateTime(), nullable=True),
    sa.Column('give_up_at', maild.store.types.UtcDateTime(), nullable=False),
    sa.Column('attempts', sa.Integer(), server_default='0', nullable=False),
    sa.Column('lease', sa.Text(), nullable=True),
    sa.Column('last_error', sa.Text(), nullable=True),
    sa.Column('created_at', maild.store.types.UtcDateTime(), nullable=False),
    sa.Column('done_at', maild.store.types.UtcDateTime(), nullable=True),
    sa.CheckConstraint("topic IN ('mail')", name=op.f('ck_outbox_topic')),
    sa.CheckConstraint("state IN ('waiting', 'done', 'dead')", name=op.f('ck_outbox_state')),
    sa.CheckConstraint("(state = 'waiting') = (due_at IS NOT NULL)", name=op.f('ck_outbox_due')),
    sa.CheckConstraint("(state = 'done') = (done_at IS NOT NULL)", name=op.f('ck_outbox_done')),
    sa.CheckConstraint("state = 'waiting' OR lease IS NULL", name=op.f('ck_outbox_lease')),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_outbox_account_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_outbox')),
    sa.UniqueConstraint('ulid', name=op.f('uq_outbox_ulid')),
    sa.UniqueConstraint('key', name=op.f('uq_outbox_key')),
    sa.Index('ix_outbox_due', 'due_at', 'id', sqlite_where=sa.text('due_at IS NOT NULL'), postgresql_where=sa.text('due_at IS NOT NULL'))
    )


def downgrade() -> None:
    # An errand of the topic that goes would break the narrower rule: nobody could do it any more.
    op.execute("DELETE FROM outbox WHERE topic = 'letter'")
    _allow_topics("'mail'")
    with op.batch_alter_table('statuses', schema=None) as batch_op:
        batch_op.drop_column('reopens')
        batch_op.drop_column('closes')
    op.drop_table('outgoing_recipients')
    op.drop_table('outgoing')
    op.drop_table('templates')
    op.drop_table('send_rights')
