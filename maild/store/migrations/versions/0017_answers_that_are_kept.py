"""Answers that are kept for who asks the same again

Revision: 0017, after: 0016
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import maild.store.types

revision = '0017'
down_revision = '0016'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('kept_answers',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('holder', sa.Text(), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('request', sa.Text(), nullable=False),
    sa.Column('begun_at', maild.store.types.UtcDateTime(), nullable=False),
    sa.Column('status', sa.Integer(), nullable=True),
    sa.Column('answer', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_kept_answers')),
    sa.UniqueConstraint('holder', 'key', name=op.f('uq_kept_answers_holder_key'))
    )
    op.create_index('ix_kept_answers_begun_at', 'kept_answers', ['begun_at'], unique=False)


def downgrade() -> None:
    op.drop_index('ix_kept_answers_begun_at', 'kept_answers')
    op.drop_table('kept_answers')
