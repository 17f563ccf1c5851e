"""Search and saved searches

Revision: 0013, after: 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import maild.store.types

revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None

_WORDS = {
    'sqlite': (
        "CREATE VIRTUAL TABLE search_words USING fts5(words, tokenize = \"ascii tokenchars '_'\")",
    ),
    'postgresql': (
        'CREATE TABLE search_words (rowid bigint PRIMARY KEY, words tsvector NOT NULL)',
        'CREATE INDEX ix_search_words_words ON search_words USING gin (words)',
    ),
}


def upgrade() -> None:
    op.create_table('address_book',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('account_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('domain', sa.Text(), nullable=False),
    sa.Column('local', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_address_book_account_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_address_book')),
    sa.UniqueConstraint('account_id', 'domain', 'local', name=op.f('uq_address_book_account_id_domain_local'))
    )
    op.create_table('profiles',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('ulid', sa.Text(), nullable=False),
    sa.Column('account_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('name_key', sa.Text(), nullable=False),
    sa.Column('terms', maild.store.types.Json(), nullable=False),
    sa.Column('is_shared', sa.Boolean(), nullable=False),
    sa.Column('is_pinned', sa.Boolean(), nullable=False),
    sa.Column('created_at', maild.store.types.UtcDateTime(), nullable=False),
    sa.Column('version', sa.Integer(), server_default='1', nullable=False),
    sa.CheckConstraint("name <> ''", name=op.f('ck_profiles_name')),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_profiles_account_id')),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_profiles_user_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_profiles')),
    sa.UniqueConstraint('ulid', name=op.f('uq_profiles_ulid'))
    )
    with op.batch_alter_table('profiles', schema=None) as batch_op:
        batch_op.create_index('uq_profiles_operators', ['account_id', 'name_key'], unique=True, sqlite_where=sa.text('user_id IS NULL'), postgresql_where=sa.text('user_id IS NULL'))
        batch_op.create_index('uq_profiles_own', ['account_id', 'user_id', 'name_key'], unique=True)

    op.create_table('search_queue',
    sa.Column('delivery_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('times', sa.Integer(), server_default='1', nullable=False),
    sa.ForeignKeyConstraint(['delivery_id'], ['deliveries.id'], name=op.f('fk_search_queue_delivery_id')),
    sa.PrimaryKeyConstraint('delivery_id', name=op.f('pk_search_queue'))
    )
    for statement in _WORDS[op.get_bind().dialect.name]:
        op.execute(statement)
    # What is there already is indexed by the workers, the newest mail first.
    op.execute("INSERT INTO search_queue (delivery_id) SELECT id FROM deliveries WHERE state <> 'received'")


def downgrade() -> None:
    op.execute('DROP TABLE search_words')
    op.drop_table('search_queue')
    with op.batch_alter_table('profiles', schema=None) as batch_op:
        batch_op.drop_index('uq_profiles_own')
        batch_op.drop_index('uq_profiles_operators', sqlite_where=sa.text('user_id IS NULL'), postgresql_where=sa.text('user_id IS NULL'))

    op.drop_table('profiles')
    op.drop_table('address_book')
