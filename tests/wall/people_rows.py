"""Use cases about accounts, people, their addresses and memberships."""

from __future__ import annotations

from maild.core import (
    accounts,
    addresses,
    agency,
    drops,
    importing,
    inviting,
    joining,
    leaving,
    oneself,
    people,
    people_views,
    verifying,
)
from maild.core.people import NewUser
from maild.model.people import Role
from tests.wall.rows import (
    ADMIN,
    NONE,
    PASSWORD,
    Look,
    Row,
)


def _user(email: str) -> NewUser:
    return NewUser(email=email, name="Somebody")


def _answered(*, accept: bool) -> Look:
    return lambda app, by, it, at: joining.answer_invitation(app, it, accept=accept, by=by)


_ACCOUNTS = [
    Row(
        accounts.add_account,
        "account",
        lambda app, by, it, at: accounts.add_account(app, slug=it, name="Name", by=by),
        own=NONE,
        colleagues=NONE,
    ),
    Row(accounts.list_accounts, "none", lambda app, by, it, at: accounts.list_accounts(app, by=by)),
    Row(
        accounts.show_account,
        "account",
        lambda app, by, it, at: accounts.show_account(app, it, by=by),
    ),
    Row(
        accounts.account_id_of,
        "account",
        lambda app, by, it, at: accounts.account_id_of(app, it, by=by),
    ),
    Row(
        accounts.set_account,
        "account",
        lambda app, by, it, at: accounts.set_account(app, it, {"name": "New"}, by=by),
        own=ADMIN,
        colleagues=ADMIN,
    ),
    Row(
        accounts.set_account,
        "user",
        lambda app, by, it, at: accounts.set_account(app, "acme", {"default_owner": it}, by=by),
        own=ADMIN,
        colleagues=ADMIN,
    ),
    Row(oneself.show_self, "none", lambda app, by, it, at: oneself.show_self(app, by=by)),
]

_PEOPLE = [
    Row(
        people.add_user,
        "user",
        lambda app, by, it, at: people.add_user(app, _user(it), account=at, by=by),
        own=ADMIN,
        colleagues=ADMIN,
        told="U9",
    ),
    Row(
        people.add_user,
        "waiting",
        lambda app, by, it, at: people.add_user(app, _user(it), account=at, by=by),
        own=ADMIN,
        colleagues=ADMIN,
        told="U1",
    ),
    Row(
        people.add_communal_user,
        "team",
        lambda app, by, it, at: people.add_communal_user(
            app, inbox=it, name="Team", account=at, by=by
        ),
        own=ADMIN,
        colleagues=ADMIN,
    ),
    Row(
        people_views.show_user,
        "user",
        lambda app, by, it, at: people_views.show_user(app, it, by=by),
    ),
    Row(
        people_views.show_user,
        "alias",
        lambda app, by, it, at: people_views.show_user(app, it, by=by),
    ),
    Row(
        people_views.list_users,
        "none",
        lambda app, by, it, at: people_views.list_users(app, account=at, by=by),
    ),
    Row(
        people.set_password,
        "user",
        lambda app, by, it, at: people.set_password(app, it, PASSWORD, by=by),
        colleagues=ADMIN,
    ),
    Row(
        people.set_active,
        "user",
        lambda app, by, it, at: people.set_active(app, it, active=False, by=by),
        own=ADMIN,
        colleagues=ADMIN,
    ),
    Row(
        people.set_user,
        "user",
        lambda app, by, it, at: people.set_user(app, it, {"name": "New"}, account=at, by=by),
        own=ADMIN,
        colleagues=ADMIN,
    ),
    Row(
        people.set_user,
        "user",
        lambda app, by, it, at: people.set_user(app, it, {"role": "member"}, account=at, by=by),
        own=ADMIN,
        colleagues=ADMIN,
        note="role",
    ),
    Row(
        people.set_user,
        "username",
        lambda app, by, it, at: people.set_user(app, "desk@acme.example", {"username": it}, by=by),
        own=ADMIN,
        colleagues=ADMIN,
        told="U8",
        ignores_account=True,
    ),
    Row(
        people.add_user,
        "username",
        lambda app, by, it, at: people.add_user(
            app, NewUser(email="new@acme.example", name="New", username=it), account=at, by=by
        ),
        own=ADMIN,
        colleagues=ADMIN,
        told="U8",
    ),
    Row(
        importing.import_users,
        "user",
        lambda app, by, it, at: importing.import_users(app, [(1, _user(it))], account=at, by=by),
        own=ADMIN,
        colleagues=ADMIN,
        told="U9",
    ),
]

_ADDRESSES = [
    Row(
        addresses.add_address,
        "user",
        lambda app, by, it, at: addresses.add_address(
            app, it, "new@acme.example", sends_as=False, confirm=True, by=by
        ),
        own=ADMIN,
        colleagues=ADMIN,
    ),
    Row(
        addresses.add_address,
        "alias",
        lambda app, by, it, at: addresses.add_address(
            app, "jan@acme.example", it, sends_as=False, confirm=True, by=by
        ),
        own=ADMIN,
        colleagues=ADMIN,
        told="U1",
    ),
    Row(
        addresses.add_address,
        "contact",
        lambda app, by, it, at: addresses.add_address(
            app, "jan@acme.example", it, sends_as=False, confirm=True, by=by
        ),
        own=ADMIN,
        colleagues=ADMIN,
    ),
    Row(
        addresses.add_address,
        "inbox",
        lambda app, by, it, at: addresses.add_address(
            app, "jan@acme.example", it, sends_as=False, confirm=True, by=by
        ),
        own=ADMIN,
        colleagues=ADMIN,
        told="U4",
    ),
    Row(
        addresses.list_addresses,
        "user",
        lambda app, by, it, at: addresses.list_addresses(app, it, by=by),
    ),
    *(
        Row(
            addresses.remove_address,
            kind,
            lambda app, by, it, at: addresses.remove_address(app, it, by=by),
            own=ADMIN,
            colleagues=ADMIN,
        )
        for kind in ("alias", "user")
    ),
    Row(
        addresses.remove_address,
        "inbox",
        lambda app, by, it, at: addresses.remove_address(app, it, by=by),
    ),
    Row(
        addresses.make_primary,
        "alias",
        lambda app, by, it, at: addresses.make_primary(app, it, by=by),
        own=ADMIN,
        colleagues=ADMIN,
    ),
    Row(
        verifying.send_verification,
        "waiting",
        lambda app, by, it, at: verifying.send_verification(app, it, by=by),
        colleagues=ADMIN,
    ),
    Row(
        verifying.confirm_by_code,
        "waiting",
        lambda app, by, it, at: verifying.confirm_by_code(app, it, "wrong", by=by),
        colleagues=ADMIN,
    ),
    Row(
        drops.show_drop,
        "user",
        lambda app, by, it, at: drops.show_drop(app, it, account=at, by=by),
        colleagues=ADMIN,
    ),
    Row(
        drops.rotate_drop,
        "user",
        lambda app, by, it, at: drops.rotate_drop(app, it, account=at, by=by),
        colleagues=ADMIN,
    ),
]

_MEMBERS = [
    Row(
        joining.invite,
        "user",
        lambda app, by, it, at: joining.invite(app, it, role=Role.MEMBER, account=at, by=by),
        own=ADMIN,
        colleagues=ADMIN,
        told="U9",
    ),
    Row(
        inviting.invite_many,
        "user",
        lambda app, by, it, at: inviting.invite_many(app, [(it, Role.MEMBER)], account=at, by=by),
        own=ADMIN,
        colleagues=ADMIN,
        told="U9",
    ),
    Row(
        joining.list_members,
        "none",
        lambda app, by, it, at: joining.list_members(app, account=at, by=by),
    ),
    Row(joining.list_own, "none", lambda app, by, it, at: joining.list_own(app, by=by)),
    *(
        Row(
            joining.answer_invitation,
            "invitation",
            _answered(accept=yes),
            colleagues=NONE,
            refused="NOT_FOUND",
            note="accept" if yes else "refuse",
        )
        for yes in (True, False)
    ),
    Row(
        agency.request_access,
        "account",
        lambda app, by, it, at: agency.request_access(app, it, by=by),
        tells_members=True,
    ),
    Row(
        agency.grant_access,
        "request",
        lambda app, by, it, at: agency.grant_access(app, it, role=Role.MEMBER, by=by),
        own=ADMIN,
        colleagues=ADMIN,
    ),
    Row(
        agency.refuse_membership,
        "request",
        lambda app, by, it, at: agency.refuse_membership(app, it, by=by),
        own=ADMIN,
        colleagues=ADMIN,
    ),
    Row(
        agency.refuse_access,
        "request",
        lambda app, by, it, at: agency.refuse_access(app, it, by=by),
        own=ADMIN,
        colleagues=ADMIN,
    ),
    Row(
        leaving.remove_member,
        "user",
        lambda app, by, it, at: leaving.remove_member(app, it, account=at, by=by),
        colleagues=ADMIN,
    ),
]


ROWS = [*_ACCOUNTS, *_PEOPLE, *_ADDRESSES, *_MEMBERS]
