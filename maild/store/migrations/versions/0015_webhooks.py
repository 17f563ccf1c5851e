"""Webhooks

Revision: 0015, after: 0014
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import maild.store.types

revision = '0015'
down_revision = '0014'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('webhooks',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('ulid', sa.Text(), nullable=False),
    sa.Column('account_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('url', sa.Text(), nullable=False),
    sa.Column('kinds', maild.store.types.Json(), nullable=False),
    sa.Column('secret', sa.Text(), nullable=False),
    sa.Column('old_secret', sa.Text(), nullable=True),
    sa.Column('old_secret_until', maild.store.types.UtcDateTime(), nullable=True),
    sa.Column('by_user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('created_at', maild.store.types.UtcDateTime(), nullable=False),
    sa.Column('position', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('paused_why', sa.Text(), nullable=True),
    sa.Column('paused_at', maild.store.types.UtcDateTime(), nullable=True),
    sa.Column('lease', sa.Text(), nullable=True),
    sa.Column('lease_until', maild.store.types.UtcDateTime(), nullable=True),
    sa.Column('fails', sa.Integer(), server_default='0', nullable=False),
    sa.Column('failing_since', maild.store.types.UtcDateTime(), nullable=True),
    sa.Column('rest_until', maild.store.types.UtcDateTime(), nullable=True),
    sa.Column('last_taken_at', maild.store.types.UtcDateTime(), nullable=True),
    sa.Column('last_error', sa.Text(), nullable=True),
    sa.Column('last_error_at', maild.store.types.UtcDateTime(), nullable=True),
    sa.CheckConstraint("(state = 'paused') = (paused_why IS NOT NULL)", name=op.f('ck_webhooks_paused')),
    sa.CheckConstraint("paused_why IN ('by_hand', 'gone', 'silent')", name=op.f('ck_webhooks_paused_why')),
    sa.CheckConstraint("state IN ('active', 'paused')", name=op.f('ck_webhooks_state')),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_webhooks_account_id')),
    sa.ForeignKeyConstraint(['by_user_id'], ['users.id'], name=op.f('fk_webhooks_by_user_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_webhooks')),
    sa.UniqueConstraint('ulid', name=op.f('uq_webhooks_ulid'))
    )
    with op.batch_alter_table('webhooks', schema=None) as batch_op:
        batch_op.create_index('ix_webhooks_account_id', ['account_id'], unique=False)

    op.create_table('webhook_posts',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('webhook_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('event_id', sa.Text(), nullable=False),
    sa.Column('position', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('mail', sa.Text(), nullable=True),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('event', maild.store.types.Json(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('due_at', maild.store.types.UtcDateTime(), nullable=True),
    sa.Column('give_up_at', maild.store.types.UtcDateTime(), nullable=False),
    sa.Column('attempts', sa.Integer(), server_default='0', nullable=False),
    sa.Column('last_error', sa.Text(), nullable=True),
    sa.CheckConstraint("(state = 'waiting') = (due_at IS NOT NULL)", name=op.f('ck_webhook_posts_due')),
    sa.CheckConstraint("state IN ('waiting', 'dead')", name=op.f('ck_webhook_posts_state')),
    sa.ForeignKeyConstraint(['webhook_id'], ['webhooks.id'], name=op.f('fk_webhook_posts_webhook_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_webhook_posts'))
    )
    with op.batch_alter_table('webhook_posts', schema=None) as batch_op:
        batch_op.create_index('ix_webhook_posts_due', ['webhook_id', 'due_at', 'id'], unique=False, sqlite_where=sa.text('due_at IS NOT NULL'), postgresql_where=sa.text('due_at IS NOT NULL'))
        batch_op.create_index('ix_webhook_posts_mail', ['webhook_id', 'mail', 'id'], unique=False, sqlite_where=sa.text('due_at IS NOT NULL'), postgresql_where=sa.text('due_at IS NOT NULL'))
        batch_op.create_index('uq_webhook_posts_event', ['webhook_id', 'event_id'], unique=True)



def downgrade() -> None:
    with op.batch_alter_table('webhook_posts', schema=None) as batch_op:
        batch_op.drop_index('uq_webhook_posts_event')
        batch_op.drop_index('ix_webhook_posts_mail', sqlite_where=sa.text('due_at IS NOT NULL'), postgresql_where=sa.text('due_at IS NOT NULL'))
        batch_op.drop_index('ix_webhook_posts_due', sqlite_where=sa.text('due_at IS NOT NULL'), postgresql_where=sa.text('due_at IS NOT NULL'))

    op.drop_table('webhook_posts')
    with op.batch_alter_table('webhooks', schema=None) as batch_op:
        batch_op.drop_index('ix_webhooks_account_id')

    op.drop_table('webhooks')
