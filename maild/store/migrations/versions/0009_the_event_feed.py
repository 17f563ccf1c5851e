"""Positions of events in the feed

Revision: 0009, after: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.create_table('event_positions',
    sa.Column('id', _BIG, nullable=False),
    sa.Column('last', _BIG, nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_event_positions'))
    )
    op.add_column('events', sa.Column('position', _BIG, nullable=True))
    last = 'SELECT coalesce(max(id), 0) FROM events'
    if op.get_bind().dialect.name == 'postgresql':
        op.execute('UPDATE events SET position = id')
    op.execute(f'INSERT INTO event_positions (id, last) SELECT 1, ({last})')
    op.create_index('ix_events_account_id_position', 'events', ['account_id', 'position'], unique=False, sqlite_where=sa.text('position IS NOT NULL'), postgresql_where=sa.text('position IS NOT NULL'))
    op.create_index('ix_events_without_position', 'events', ['id'], unique=False, sqlite_where=sa.text('position IS NOT NULL'), postgresql_where=sa.text('position IS NULL'))


def downgrade() -> None:
    op.drop_index('ix_events_without_position', 'events')
    op.drop_index('ix_events_account_id_position', 'events')
    op.drop_column('events', 'position')
    op.drop_table('event_positions')
