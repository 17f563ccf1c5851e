"""What a list put at a client; directories; mails that are looked through for new clients

Revision: 0007, after: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import maild.store.types

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Plain ADD COLUMN with a constant on both databases: no row is rewritten.  What is there counts as put by hand, which
    # no list takes away, and so does what code of before goes on to add.
    for table in ('contacts', 'client_domains'):
        op.add_column(table, sa.Column('listed', sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_table('directories',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('account_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('plug', sa.Text(), nullable=False),
    sa.Column('options', maild.store.types.Json(), nullable=False),
    sa.Column('every_s', sa.Integer(), nullable=False),
    sa.Column('cursor', sa.Text(), nullable=True),
    sa.Column('due_at', maild.store.types.UtcDateTime(), nullable=False),
    sa.Column('lease', sa.Text(), nullable=True),
    sa.Column('fail_count', sa.Integer(), server_default='0', nullable=False),
    sa.Column('last_ok_at', maild.store.types.UtcDateTime(), nullable=True),
    sa.Column('last_error', sa.Text(), nullable=True),
    sa.Column('refused', sa.Integer(), server_default='0', nullable=False),
    sa.Column('last_refusal', sa.Text(), nullable=True),
    sa.Column('created_at', maild.store.types.UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_directories_account_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_directories')),
    sa.UniqueConstraint('account_id', name=op.f('uq_directories_account_id'))
    )
    op.create_table('sweeps',
    sa.Column('account_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('after', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_sweeps_account_id')),
    sa.PrimaryKeyConstraint('account_id', name=op.f('pk_sweeps'))
    )


def downgrade() -> None:
    op.drop_table('sweeps')
    op.drop_table('directories')
    for table in ('client_domains', 'contacts'):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.drop_column('listed')
