"""Conversations, who opened which mail, and indexes that count mailboxes

Revision: 0011, after: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import maild.store.types

revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.add_column('messages', sa.Column('thread_id', _BIG, nullable=True))
    op.create_index('ix_messages_thread_id', 'messages', ['thread_id'])
    op.create_table('thread_links',
    sa.Column('account_id', _BIG, nullable=False),
    sa.Column('print', _BIG, nullable=False),
    sa.Column('thread_id', _BIG, nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_thread_links_account_id')),
    sa.PrimaryKeyConstraint('account_id', 'print', name=op.f('pk_thread_links'))
    )
    op.create_index('ix_thread_links_thread_id', 'thread_links', ['thread_id'])
    op.create_table('reader_marks',
    sa.Column('delivery_id', _BIG, nullable=False),
    sa.Column('reader_id', _BIG, nullable=False),
    sa.Column('at', maild.store.types.UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['delivery_id'], ['deliveries.id'], name=op.f('fk_reader_marks_delivery_id')),
    sa.ForeignKeyConstraint(['reader_id'], ['users.id'], name=op.f('fk_reader_marks_reader_id')),
    sa.PrimaryKeyConstraint('delivery_id', 'reader_id', name=op.f('pk_reader_marks'))
    )
    op.create_index(
        'ix_entries_account_id_owner_id_status_id', 'entries', ['account_id', 'owner_id', 'status_id']
    )
    op.create_index(
        'ix_entries_unread_of_account',
        'entries',
        ['account_id', 'owner_id', 'status_id'],
        sqlite_where=sa.text('unread'),
        postgresql_where=sa.text('unread'),
    )


def downgrade() -> None:
    op.drop_index('ix_entries_unread_of_account', 'entries')
    op.drop_index('ix_entries_account_id_owner_id_status_id', 'entries')
    op.drop_table('reader_marks')
    op.drop_table('thread_links')
    op.drop_index('ix_messages_thread_id', 'messages')
    with op.batch_alter_table('messages', schema=None) as batch_op:
        batch_op.drop_column('thread_id')
