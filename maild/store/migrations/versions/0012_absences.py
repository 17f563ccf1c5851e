"""Absences, who stood in, and who is answering

Revision: 0012, after: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import maild.store.types

revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None


def _big() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.create_table('absences',
    sa.Column('id', _big(), nullable=False),
    sa.Column('ulid', sa.Text(), nullable=False),
    sa.Column('account_id', _big(), nullable=False),
    sa.Column('user_id', _big(), nullable=False),
    sa.Column('substitute_id', _big(), nullable=False),
    sa.Column('begins', maild.store.types.UtcDateTime(), nullable=False),
    sa.Column('ends', maild.store.types.UtcDateTime(), nullable=False),
    sa.Column('by_user_id', _big(), nullable=True),
    sa.Column('at', maild.store.types.UtcDateTime(), nullable=False),
    sa.CheckConstraint('begins < ends', name=op.f('ck_absences_order')),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_absences_account_id')),
    sa.ForeignKeyConstraint(['by_user_id'], ['users.id'], name=op.f('fk_absences_by_user_id')),
    sa.ForeignKeyConstraint(['substitute_id'], ['users.id'], name=op.f('fk_absences_substitute_id')),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_absences_user_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_absences')),
    sa.UniqueConstraint('ulid', name=op.f('uq_absences_ulid'))
    )
    op.create_index('ix_absences_account_id_ends', 'absences', ['account_id', 'ends'], unique=False)
    op.create_index('ix_absences_user_id', 'absences', ['user_id', 'account_id'], unique=False)
    op.create_table('stand_ins',
    sa.Column('delivery_id', _big(), nullable=False),
    sa.Column('absence_id', _big(), nullable=False),
    sa.Column('user_id', _big(), nullable=False),
    sa.ForeignKeyConstraint(['absence_id'], ['absences.id'], name=op.f('fk_stand_ins_absence_id')),
    sa.ForeignKeyConstraint(['delivery_id'], ['deliveries.id'], name=op.f('fk_stand_ins_delivery_id')),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_stand_ins_user_id')),
    sa.PrimaryKeyConstraint('delivery_id', name=op.f('pk_stand_ins'))
    )
    op.create_index('ix_stand_ins_absence_id', 'stand_ins', ['absence_id', 'delivery_id'], unique=False)
    op.create_table('answering',
    sa.Column('delivery_id', _big(), nullable=False),
    sa.Column('user_id', _big(), nullable=False),
    sa.Column('since', maild.store.types.UtcDateTime(), nullable=False),
    sa.Column('until', maild.store.types.UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['delivery_id'], ['deliveries.id'], name=op.f('fk_answering_delivery_id')),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_answering_user_id')),
    sa.PrimaryKeyConstraint('delivery_id', name=op.f('pk_answering'))
    )


def downgrade() -> None:
    op.drop_table('answering')
    op.drop_index('ix_stand_ins_absence_id', table_name='stand_ins')
    op.drop_table('stand_ins')
    op.drop_index('ix_absences_user_id', table_name='absences')
    op.drop_index('ix_absences_account_id_ends', table_name='absences')
    op.drop_table('absences')
