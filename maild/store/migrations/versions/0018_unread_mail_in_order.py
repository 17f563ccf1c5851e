"""Unread mail of a mailbox in the order of its list

Revision: 0018, after: 0017
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0018'
down_revision = '0017'
branch_labels = None
depends_on = None


def upgrade() -> None:
    _made_of('owner_id', 'received_at', 'delivery_id')


def downgrade() -> None:
    _made_of('owner_id', 'delivery_id')


def _made_of(*columns: str) -> None:
    op.drop_index('ix_entries_unread', table_name='entries')
    op.create_index('ix_entries_unread', 'entries', list(columns), unique=False, sqlite_where=sa.text('unread'), postgresql_where=sa.text('unread'))
