"""Sources, the ledger, leases

Revision: 0003, after: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import maild.store.types

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('leases',
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('holder', sa.Text(), nullable=False),
    sa.Column('epoch', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('until', maild.store.types.UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_leases'))
    )
    op.create_table('sources',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('account_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('inbox_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('is_central', sa.Boolean(), nullable=False),
    sa.Column('recipient_header', sa.Text(), nullable=True),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('host', sa.Text(), nullable=False),
    sa.Column('port', sa.Integer(), nullable=False),
    sa.Column('tls', sa.Text(), nullable=False),
    sa.Column('ca_file', sa.Text(), server_default='', nullable=False),
    sa.Column('username', sa.Text(), nullable=False),
    sa.Column('sign_in', sa.Text(), nullable=False),
    sa.Column('secret', sa.Text(), nullable=True),
    sa.Column('options', maild.store.types.Json(), nullable=False),
    sa.Column('folder', sa.Text(), nullable=False),
    sa.Column('mailbox', sa.Text(), nullable=False),
    sa.Column('after', sa.Text(), nullable=False),
    sa.Column('since', sa.Text(), nullable=True),
    sa.Column('every_s', sa.Integer(), nullable=False),
    sa.Column('is_paused', sa.Boolean(), nullable=False),
    sa.Column('created_at', maild.store.types.UtcDateTime(), nullable=False),
    sa.Column('version', sa.Integer(), server_default='1', nullable=False),
    sa.Column('fail_count', sa.Integer(), server_default='0', nullable=False),
    sa.Column('next_try_at', maild.store.types.UtcDateTime(), nullable=True),
    sa.Column('last_try_at', maild.store.types.UtcDateTime(), nullable=True),
    sa.Column('last_ok_at', maild.store.types.UtcDateTime(), nullable=True),
    sa.Column('last_trouble', sa.Text(), nullable=True),
    sa.Column('last_said', sa.Text(), nullable=True),
    sa.Column('backlog', sa.Integer(), server_default='0', nullable=False),
    sa.Column('round', maild.store.types.Json(), nullable=True),
    sa.Column('asked_at', maild.store.types.UtcDateTime(), nullable=True),
    sa.CheckConstraint("kind IN ('imap', 'pop')", name=op.f('ck_sources_kind')),
    sa.CheckConstraint("sign_in IN ('password', 'file', 'command', 'credential', 'google', 'microsoft', 'refresh')", name=op.f('ck_sources_sign_in')),
    sa.CheckConstraint("tls IN ('implicit', 'starttls', 'none')", name=op.f('ck_sources_tls')),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_sources_account_id')),
    sa.ForeignKeyConstraint(['inbox_id'], ['inboxes.id'], name=op.f('fk_sources_inbox_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_sources')),
    sa.UniqueConstraint('account_id', 'name', name=op.f('uq_sources_account_id_name')),
    sa.UniqueConstraint('mailbox', name=op.f('uq_sources_mailbox'))
    )
    op.create_table('source_folders',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('source_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('uidvalidity', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('generation', sa.Integer(), nullable=False),
    sa.Column('uid_high', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), server_default='0', nullable=False),
    sa.Column('baseline', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('is_begun', sa.Boolean(), nullable=False),
    sa.Column('held', maild.store.types.Json(), nullable=True),
    sa.ForeignKeyConstraint(['source_id'], ['sources.id'], name=op.f('fk_source_folders_source_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_source_folders')),
    sa.UniqueConstraint('source_id', 'name', name=op.f('uq_source_folders_source_id_name'))
    )
    op.create_table('remote_copies',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('folder_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('generation', sa.Integer(), nullable=False),
    sa.Column('uid', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), server_default='0', nullable=False),
    sa.Column('uidl', sa.Text(), server_default='', nullable=False),
    sa.Column('ordinal', sa.Integer(), server_default='0', nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('acted', sa.Text(), nullable=False),
    sa.Column('size', sa.Integer(), nullable=True),
    sa.Column('internal_date', maild.store.types.UtcDateTime(), nullable=True),
    sa.Column('header_print', sa.Text(), nullable=True),
    sa.Column('digest', sa.Text(), nullable=True),
    sa.Column('message_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('adopted_from', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('attempts', sa.Integer(), server_default='0', nullable=False),
    sa.Column('trouble', sa.Text(), nullable=True),
    sa.Column('first_seen_at', maild.store.types.UtcDateTime(), nullable=False),
    sa.Column('stored_at', maild.store.types.UtcDateTime(), nullable=True),
    sa.Column('gone_at', maild.store.types.UtcDateTime(), nullable=True),
    sa.CheckConstraint("acted IN ('none', 'due', 'begun', 'done')", name=op.f('ck_remote_copies_acted')),
    sa.CheckConstraint("state IN ('open', 'stored', 'skipped', 'header_only', 'failed')", name=op.f('ck_remote_copies_state')),
    sa.ForeignKeyConstraint(['folder_id'], ['source_folders.id'], name=op.f('fk_remote_copies_folder_id')),
    sa.ForeignKeyConstraint(['message_id'], ['messages.id'], name=op.f('fk_remote_copies_message_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_remote_copies')),
    sa.UniqueConstraint('folder_id', 'generation', 'uid', 'uidl', 'ordinal', name=op.f('uq_remote_copies_folder_id_generation_uid_uidl_ordinal'))
    )
    with op.batch_alter_table('remote_copies', schema=None) as batch_op:
        batch_op.create_index('ix_remote_copies_to_act', ['folder_id', 'stored_at', 'id'], unique=False, sqlite_where=sa.text("acted = 'due' OR acted = 'begun'"), postgresql_where=sa.text("acted = 'due' OR acted = 'begun'"))
        batch_op.create_index('ix_remote_copies_message_id', ['message_id'], unique=False)
        batch_op.create_index('ix_remote_copies_open', ['folder_id', 'attempts', 'id'], unique=False, sqlite_where=sa.text("state = 'open'"), postgresql_where=sa.text("state = 'open'"))

    # Plain ADD COLUMN on both databases: no row is rewritten, however many arrivals there are.
    op.add_column('arrivals', sa.Column('source_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True))
    op.add_column('arrivals', sa.Column('origin', sa.Text(), nullable=True))
    op.add_column('arrivals', sa.Column('whole_size', sa.Integer(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table('arrivals', schema=None) as batch_op:
        batch_op.drop_column('whole_size')
        batch_op.drop_column('origin')
        batch_op.drop_column('source_id')

    with op.batch_alter_table('remote_copies', schema=None) as batch_op:
        batch_op.drop_index('ix_remote_copies_open', sqlite_where=sa.text("state = 'open'"), postgresql_where=sa.text("state = 'open'"))
        batch_op.drop_index('ix_remote_copies_message_id')
        batch_op.drop_index('ix_remote_copies_to_act', sqlite_where=sa.text("acted = 'due' OR acted = 'begun'"), postgresql_where=sa.text("acted = 'due' OR acted = 'begun'"))

    op.drop_table('remote_copies')
    op.drop_table('source_folders')
    op.drop_table('sources')
    op.drop_table('leases')
