"""Rules

Revision: 0008, after: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import maild.store.types

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('rules',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('ulid', sa.Text(), nullable=False),
    sa.Column('account_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('rank', sa.Integer(), nullable=False),
    sa.Column('conditions', sa.Text(), nullable=False),
    sa.Column('owner_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('status_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('client_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('unread', sa.Boolean(), nullable=True),
    sa.Column('stops', sa.Boolean(), nullable=False),
    sa.Column('is_on', sa.Boolean(), nullable=False),
    sa.Column('by_user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('at', maild.store.types.UtcDateTime(), nullable=False),
    sa.Column('removed_at', maild.store.types.UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_rules_account_id')),
    sa.ForeignKeyConstraint(['by_user_id'], ['users.id'], name=op.f('fk_rules_by_user_id')),
    sa.ForeignKeyConstraint(['client_id'], ['clients.id'], name=op.f('fk_rules_client_id')),
    sa.ForeignKeyConstraint(['owner_id'], ['users.id'], name=op.f('fk_rules_owner_id')),
    sa.ForeignKeyConstraint(['status_id'], ['statuses.id'], name=op.f('fk_rules_status_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_rules')),
    sa.UniqueConstraint('ulid', name=op.f('uq_rules_ulid'))
    )
    with op.batch_alter_table('rules', schema=None) as batch_op:
        batch_op.create_index('ix_rules_status_id', ['status_id'], unique=False)
        batch_op.create_index('uq_rules_there', ['account_id', 'name'], unique=True, sqlite_where=sa.text('removed_at IS NULL'), postgresql_where=sa.text('removed_at IS NULL'))


def downgrade() -> None:
    with op.batch_alter_table('rules', schema=None) as batch_op:
        batch_op.drop_index('uq_rules_there', sqlite_where=sa.text('removed_at IS NULL'), postgresql_where=sa.text('removed_at IS NULL'))
        batch_op.drop_index('ix_rules_status_id')

    op.drop_table('rules')
