"""Which token made a token, and what it may do

Revision: 0020, after: 0019
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0020'
down_revision = '0019'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('tokens', schema=None) as batch_op:
        batch_op.add_column(sa.Column('maker_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True))
        batch_op.add_column(sa.Column('scope', sa.Text(), server_default='write', nullable=False))
        batch_op.create_foreign_key(batch_op.f('fk_tokens_maker_id'), 'tokens', ['maker_id'], ['id'])
        batch_op.create_check_constraint(batch_op.f('ck_tokens_scope'), "scope IN ('read', 'write')")
        batch_op.create_index('ix_tokens_maker_id', ['maker_id'], unique=False)


def downgrade() -> None:
    with op.batch_alter_table('tokens', schema=None) as batch_op:
        batch_op.drop_index('ix_tokens_maker_id')
        batch_op.drop_constraint(batch_op.f('ck_tokens_scope'), type_='check')
        batch_op.drop_constraint(batch_op.f('fk_tokens_maker_id'), type_='foreignkey')
        batch_op.drop_column('scope')
        batch_op.drop_column('maker_id')
