"""Notices: what people are still to be told, and whether they want it

Revision: 0016, after: 0015
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import maild.store.types

revision = '0016'
down_revision = '0015'
branch_labels = None
depends_on = None


def _big() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.create_table('owed_notices',
    sa.Column('id', _big(), nullable=False),
    sa.Column('account_id', _big(), nullable=False),
    sa.Column('user_id', _big(), nullable=False),
    sa.Column('delivery_id', _big(), nullable=False),
    sa.Column('by_user_id', _big(), nullable=True),
    sa.Column('note', sa.Text(), nullable=False),
    sa.Column('at', maild.store.types.UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_owed_notices_account_id')),
    sa.ForeignKeyConstraint(['by_user_id'], ['users.id'], name=op.f('fk_owed_notices_by_user_id')),
    sa.ForeignKeyConstraint(['delivery_id'], ['deliveries.id'], name=op.f('fk_owed_notices_delivery_id')),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_owed_notices_user_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_owed_notices'))
    )
    op.create_index('ix_owed_notices_at', 'owed_notices', ['at'], unique=False)
    op.create_index('ix_owed_notices_user_id', 'owed_notices', ['user_id', 'account_id', 'id'], unique=False)
    op.add_column('users', sa.Column('notices_off_at', maild.store.types.UtcDateTime(), nullable=True))
    op.add_column('users', sa.Column('outcome_off_at', maild.store.types.UtcDateTime(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table('users', schema=None) as batch_op:
        batch_op.drop_column('outcome_off_at')
        batch_op.drop_column('notices_off_at')
    op.drop_index('ix_owed_notices_user_id', table_name='owed_notices')
    op.drop_index('ix_owed_notices_at', table_name='owed_notices')
    op.drop_table('owed_notices')
