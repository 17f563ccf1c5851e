"""How far a mail is indexed, and why one cannot be

Revision: 0019, after: 0018
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0019'
down_revision = '0018'
branch_labels = None
depends_on = None

_INDEXES = {'ix_search_queue_due': 'done < times', 'ix_search_queue_fault': 'fault IS NOT NULL'}


def upgrade() -> None:
    op.add_column('search_queue', sa.Column('done', sa.Integer(), server_default='0', nullable=False))
    op.add_column('search_queue', sa.Column('fault', sa.Text(), nullable=True))
    for name, where in _INDEXES.items():
        op.create_index(name, 'search_queue', ['delivery_id'], unique=False, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def downgrade() -> None:
    # What is indexed would be taken for what is due.
    op.execute('DELETE FROM search_queue WHERE done >= times')
    for name in _INDEXES:
        op.drop_index(name, table_name='search_queue')
    op.drop_column('search_queue', 'fault')
    op.drop_column('search_queue', 'done')
