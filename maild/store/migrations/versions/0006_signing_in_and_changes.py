"""Signing in: links, identities, sessions, tokens; changes of people; what is remembered; what SPF says

Revision: 0006, after: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import maild.store.types

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('throttles',
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('since', maild.store.types.UtcDateTime(), nullable=False),
    sa.Column('count', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('key', name=op.f('pk_throttles'))
    )
    op.create_table('people_changes',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('ulid', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('other_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('by_user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('at', maild.store.types.UtcDateTime(), nullable=False),
    sa.Column('plan', maild.store.types.Json(), nullable=False),
    sa.Column('kept', maild.store.types.Json(), nullable=True),
    sa.Column('undo_until', maild.store.types.UtcDateTime(), nullable=False),
    sa.Column('undone_at', maild.store.types.UtcDateTime(), nullable=True),
    sa.CheckConstraint("kind IN ('rename', 'swap', 'merge')", name=op.f('ck_people_changes_kind')),
    sa.ForeignKeyConstraint(['by_user_id'], ['users.id'], name=op.f('fk_people_changes_by_user_id')),
    sa.ForeignKeyConstraint(['other_id'], ['users.id'], name=op.f('fk_people_changes_other_id')),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_people_changes_user_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_people_changes')),
    sa.UniqueConstraint('ulid', name=op.f('uq_people_changes_ulid'))
    )
    with op.batch_alter_table('people_changes', schema=None) as batch_op:
        batch_op.create_index('ix_people_changes_other_id', ['other_id'], unique=False)
        batch_op.create_index('ix_people_changes_undo_until', ['undo_until'], unique=False, sqlite_where=sa.text('kept IS NOT NULL'), postgresql_where=sa.text('kept IS NOT NULL'))
        batch_op.create_index('ix_people_changes_user_id', ['user_id'], unique=False)

    op.create_table('standing_rulings',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('account_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('question', sa.Text(), nullable=False),
    sa.Column('subject', sa.Text(), nullable=False),
    sa.Column('answer', maild.store.types.Json(), nullable=False),
    sa.Column('by_user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('at', maild.store.types.UtcDateTime(), nullable=False),
    sa.Column('revoked_at', maild.store.types.UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_standing_rulings_account_id')),
    sa.ForeignKeyConstraint(['by_user_id'], ['users.id'], name=op.f('fk_standing_rulings_by_user_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_standing_rulings'))
    )
    with op.batch_alter_table('standing_rulings', schema=None) as batch_op:
        batch_op.create_index('uq_standing_rulings_in_force', ['account_id', 'question', 'subject'], unique=True, sqlite_where=sa.text('revoked_at IS NULL'), postgresql_where=sa.text('revoked_at IS NULL'))

    op.create_table('tokens',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('ulid', sa.Text(), nullable=False),
    sa.Column('digest', sa.Text(), nullable=False),
    sa.Column('user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('account_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('created_at', maild.store.types.UtcDateTime(), nullable=False),
    sa.Column('expires_at', maild.store.types.UtcDateTime(), nullable=True),
    sa.Column('last_used_at', maild.store.types.UtcDateTime(), nullable=True),
    sa.Column('revoked_at', maild.store.types.UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_tokens_account_id')),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_tokens_user_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_tokens')),
    sa.UniqueConstraint('digest', name=op.f('uq_tokens_digest')),
    sa.UniqueConstraint('ulid', name=op.f('uq_tokens_ulid'))
    )
    with op.batch_alter_table('tokens', schema=None) as batch_op:
        batch_op.create_index('ix_tokens_user_id', ['user_id'], unique=False)

    op.create_table('verifications',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('address_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('digest', sa.Text(), nullable=False),
    sa.Column('created_at', maild.store.types.UtcDateTime(), nullable=False),
    sa.Column('expires_at', maild.store.types.UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['address_id'], ['addresses.id'], name=op.f('fk_verifications_address_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_verifications')),
    sa.UniqueConstraint('digest', name=op.f('uq_verifications_digest'))
    )
    with op.batch_alter_table('verifications', schema=None) as batch_op:
        batch_op.create_index('ix_verifications_address_id', ['address_id'], unique=False)

    op.create_table('identities',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('login_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('issuer', sa.Text(), nullable=False),
    sa.Column('subject', sa.Text(), nullable=False),
    sa.Column('address', sa.Text(), nullable=False),
    sa.Column('created_at', maild.store.types.UtcDateTime(), nullable=False),
    sa.Column('suspended_at', maild.store.types.UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['login_id'], ['logins.id'], name=op.f('fk_identities_login_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_identities')),
    sa.UniqueConstraint('issuer', 'subject', name=op.f('uq_identities_issuer_subject'))
    )
    with op.batch_alter_table('identities', schema=None) as batch_op:
        batch_op.create_index('ix_identities_login_id', ['login_id'], unique=False)

    op.create_table('login_links',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('login_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('digest', sa.Text(), nullable=False),
    sa.Column('created_at', maild.store.types.UtcDateTime(), nullable=False),
    sa.Column('expires_at', maild.store.types.UtcDateTime(), nullable=False),
    sa.CheckConstraint("kind IN ('reset', 'sign_up')", name=op.f('ck_login_links_kind')),
    sa.ForeignKeyConstraint(['login_id'], ['logins.id'], name=op.f('fk_login_links_login_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_login_links')),
    sa.UniqueConstraint('digest', name=op.f('uq_login_links_digest'))
    )
    with op.batch_alter_table('login_links', schema=None) as batch_op:
        batch_op.create_index('ix_login_links_login_id', ['login_id'], unique=False)

    op.create_table('sessions',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('login_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('digest', sa.Text(), nullable=False),
    sa.Column('created_at', maild.store.types.UtcDateTime(), nullable=False),
    sa.Column('seen_at', maild.store.types.UtcDateTime(), nullable=False),
    sa.Column('expires_at', maild.store.types.UtcDateTime(), nullable=False),
    sa.Column('peer', sa.Text(), nullable=False),
    sa.Column('agent', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['login_id'], ['logins.id'], name=op.f('fk_sessions_login_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_sessions')),
    sa.UniqueConstraint('digest', name=op.f('uq_sessions_digest'))
    )
    with op.batch_alter_table('sessions', schema=None) as batch_op:
        batch_op.create_index('ix_sessions_expires_at', ['expires_at'], unique=False)
        batch_op.create_index('ix_sessions_login_id', ['login_id'], unique=False)

    op.add_column('addresses', sa.Column('resting_until', maild.store.types.UtcDateTime(), nullable=True))
    op.add_column('addresses', sa.Column('primary_until', maild.store.types.UtcDateTime(), nullable=True))
    op.add_column('addresses', sa.Column('delivers_to', sa.Text(), nullable=True))

    op.add_column('arrivals', sa.Column('signed_in_user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True))
    op.add_column('arrivals', sa.Column('spf', maild.store.types.Json(), nullable=True))

    with op.batch_alter_table('logins', schema=None) as batch_op:
        batch_op.add_column(sa.Column('account_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True))
        batch_op.add_column(sa.Column('totp', sa.Text(), nullable=True))
        batch_op.add_column(sa.Column('totp_step', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True))
        batch_op.add_column(sa.Column('terms_version', sa.Text(), nullable=True))
        batch_op.add_column(sa.Column('terms_at', maild.store.types.UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column('suspended_at', maild.store.types.UtcDateTime(), nullable=True))
        batch_op.create_index('uq_logins_general', ['user_id'], unique=True, sqlite_where=sa.text('account_id IS NULL'), postgresql_where=sa.text('account_id IS NULL'))
        batch_op.create_unique_constraint(batch_op.f('uq_logins_user_id_account_id'), ['user_id', 'account_id'])
        batch_op.create_foreign_key(batch_op.f('fk_logins_account_id'), 'accounts', ['account_id'], ['id'])

    op.add_column('users', sa.Column('merged_into_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True))
    op.add_column('users', sa.Column('digest_off_at', maild.store.types.UtcDateTime(), nullable=True))
    op.add_column('users', sa.Column('digest_paused_at', maild.store.types.UtcDateTime(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table('users', schema=None) as batch_op:
        batch_op.drop_column('digest_paused_at')
        batch_op.drop_column('digest_off_at')
        batch_op.drop_column('merged_into_id')

    with op.batch_alter_table('logins', schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f('fk_logins_account_id'), type_='foreignkey')
        batch_op.drop_constraint(batch_op.f('uq_logins_user_id_account_id'), type_='unique')
        batch_op.drop_index('uq_logins_general', sqlite_where=sa.text('account_id IS NULL'), postgresql_where=sa.text('account_id IS NULL'))
        batch_op.drop_column('suspended_at')
        batch_op.drop_column('terms_at')
        batch_op.drop_column('terms_version')
        batch_op.drop_column('totp_step')
        batch_op.drop_column('totp')
        batch_op.drop_column('account_id')

    with op.batch_alter_table('arrivals', schema=None) as batch_op:
        batch_op.drop_column('spf')
        batch_op.drop_column('signed_in_user_id')

    with op.batch_alter_table('addresses', schema=None) as batch_op:
        batch_op.drop_column('delivers_to')
        batch_op.drop_column('primary_until')
        batch_op.drop_column('resting_until')

    with op.batch_alter_table('sessions', schema=None) as batch_op:
        batch_op.drop_index('ix_sessions_login_id')
        batch_op.drop_index('ix_sessions_expires_at')

    op.drop_table('sessions')
    with op.batch_alter_table('login_links', schema=None) as batch_op:
        batch_op.drop_index('ix_login_links_login_id')

    op.drop_table('login_links')
    with op.batch_alter_table('identities', schema=None) as batch_op:
        batch_op.drop_index('ix_identities_login_id')

    op.drop_table('identities')
    with op.batch_alter_table('verifications', schema=None) as batch_op:
        batch_op.drop_index('ix_verifications_address_id')

    op.drop_table('verifications')
    with op.batch_alter_table('tokens', schema=None) as batch_op:
        batch_op.drop_index('ix_tokens_user_id')

    op.drop_table('tokens')
    with op.batch_alter_table('standing_rulings', schema=None) as batch_op:
        batch_op.drop_index('uq_standing_rulings_in_force', sqlite_where=sa.text('revoked_at IS NULL'), postgresql_where=sa.text('revoked_at IS NULL'))

    op.drop_table('standing_rulings')
    with op.batch_alter_table('people_changes', schema=None) as batch_op:
        batch_op.drop_index('ix_people_changes_user_id')
        batch_op.drop_index('ix_people_changes_undo_until', sqlite_where=sa.text('kept IS NOT NULL'), postgresql_where=sa.text('kept IS NOT NULL'))
        batch_op.drop_index('ix_people_changes_other_id')

    op.drop_table('people_changes')
    op.drop_table('throttles')
