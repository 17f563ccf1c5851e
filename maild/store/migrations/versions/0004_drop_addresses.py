"""Drop addresses, and whose one an arrival came to; what verifying mails found out

Revision: 0004, after: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import maild.store.types

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('drop_addresses',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('membership_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('lookup', sa.Text(), nullable=False),
    sa.Column('sealed', sa.Text(), nullable=False),
    sa.Column('made_at', maild.store.types.UtcDateTime(), nullable=False),
    sa.Column('dead_at', maild.store.types.UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['membership_id'], ['memberships.id'], name=op.f('fk_drop_addresses_membership_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_drop_addresses')),
    sa.UniqueConstraint('lookup', name=op.f('uq_drop_addresses_lookup'))
    )
    op.create_index('ix_drop_addresses_live', 'drop_addresses', ['membership_id'], unique=True,
        sqlite_where=sa.text('dead_at IS NULL'), postgresql_where=sa.text('dead_at IS NULL'))
    op.create_table('verdicts',
    sa.Column('message_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('verdict', maild.store.types.Json(), nullable=False),
    sa.Column('made_at', maild.store.types.UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['message_id'], ['messages.id'], name=op.f('fk_verdicts_message_id')),
    sa.PrimaryKeyConstraint('message_id', name=op.f('pk_verdicts'))
    )
    # Plain ADD COLUMN on both databases: no row is rewritten, however many arrivals there are.
    op.add_column('arrivals', sa.Column('drop_user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table('arrivals', schema=None) as batch_op:
        batch_op.drop_column('drop_user_id')
    op.drop_table('verdicts')
    op.drop_index('ix_drop_addresses_live', table_name='drop_addresses')
    op.drop_table('drop_addresses')
