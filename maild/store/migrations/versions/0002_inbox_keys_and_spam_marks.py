"""Keys of inboxes, and spam marks of arrivals

Revision: 0002, after: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import maild.store.types

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('inbox_keys',
    sa.Column('inbox_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('account_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('digest', sa.Text(), nullable=False),
    sa.Column('created_at', maild.store.types.UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_inbox_keys_account_id')),
    sa.ForeignKeyConstraint(['inbox_id'], ['inboxes.id'], name=op.f('fk_inbox_keys_inbox_id')),
    sa.PrimaryKeyConstraint('inbox_id', name=op.f('pk_inbox_keys')),
    sa.UniqueConstraint('digest', name=op.f('uq_inbox_keys_digest'))
    )
    # Plain ADD COLUMN on both databases: no row is rewritten, however many arrivals there are.
    op.add_column('arrivals', sa.Column('spam_mark', sa.Text(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table('arrivals', schema=None) as batch_op:
        batch_op.drop_column('spam_mark')

    op.drop_table('inbox_keys')
