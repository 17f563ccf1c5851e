"""What is mailed about joining an account: to who is invited, and to the admins who are asked for access (U9).

Each goes at most once a day for the same occasion, and only where a relay is; what it says stands in maild as well.
"""

from __future__ import annotations

from collections.abc import Iterable

from maild.core.app import App
from maild.core.letters import Notice, Posted, post
from maild.store.accounts import AccountRow
from maild.store.store import Tx
from maild.store.users import MemberRow, UserRow


def post_invitation(tx: Tx, app: App, member: MemberRow, account: AccountRow) -> bool:
    """Queue the mail to an invited person; whether one goes by this.  Within the caller's transaction."""
    text = (
        f"{account.name} asks you to join its account in maild, as {member.role.value}.\n\n"
        f"You have a login already and keep it; your other accounts do not learn of this.\n\n"
        f"{_how_to_answer(app, member.ulid, ('accept', 'refuse'))}\n\n"
        "Until you accept, nothing changes. If this means nothing to you, refuse it or do nothing."
    )
    return _post(tx, app, member.user, f"{account.name} invites you", text, f"invite:{member.ulid}")


def post_request(
    tx: Tx, app: App, member: MemberRow, account: AccountRow, admins: Iterable[UserRow]
) -> int:
    """Queue the mail about a request for access to an account's admins; return to how many one goes by this."""
    who = f"{member.user.display_name} ({member.user.email})"
    text = (
        f"{who} asks for access to {account.name} in maild.\n\n"
        f"{_how_to_answer(app, member.ulid, ('grant', 'refuse'))}\n\n"
        "Until you grant it, nothing of the account can be seen. Grant it only if you expected this request."
    )
    return sum(
        _post(tx, app, admin, f"Access to {account.name} is asked for", text, f"request:{member.ulid}:{admin.id}")
        for admin in admins
    )  # fmt: skip


def _how_to_answer(app: App, ulid: str, verbs: tuple[str, str]) -> str:
    yes, no = verbs
    role = " --role member" if yes == "grant" else ""
    where = f"Sign in at {app.public_url} to answer" if app.public_url else "Sign in to answer"
    return (
        f"{where}, or have your administrator run one of\n"
        f"  maild member {yes} {ulid}{role}\n  maild member {no} {ulid}"
    )


def _post(tx: Tx, app: App, to: UserRow, subject: str, text: str, key: str) -> bool:
    # Without a key none of our mails can be written (`core.letters`).
    if not app.has_relay or app.key is None or to.email is None:
        return False
    notice = Notice(to=to.email, to_name=to.display_name, subject=subject, text=text)
    posted = post(tx, app, notice, key=f"{key}:{app.clock():%Y-%m-%d}")
    return isinstance(posted, Posted) and posted.is_new
