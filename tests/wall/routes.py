"""Every route of the API, and the thing that it is asked about."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from typing_extensions import override

PASSWORD = "A password of good length"


@dataclass(frozen=True)
class Route:
    """One look over HTTP; `{it}` in the path or the body is what the thing is named by."""

    method: str
    path: str
    """As the document of the routes has it, below /api/v1."""
    kind: str
    body: Any = None
    query: str = ""
    takes_account: bool = False
    told: str = ""
    """By which rule it does tell of other accounts that a name is taken, and nothing more."""
    tells_members: bool = False
    """Who is a member hears so, though the own login does not open the account (U9)."""
    sent: str = field(default="")
    """The path that is asked, where it is not the documented one with the thing in it; `{me}` is whoever asks."""

    @override
    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.kind}"

    @property
    def name(self) -> str:
        """The route, as the document of the routes has it."""
        return f"{self.method} {self.path}"

    def asked(self, it: str, account: str | None) -> tuple[str, str, Any]:
        """Return method, path and body of the request."""
        head, found, rest = self.path.partition("{")
        path = self.sent or (
            head + quote(it, safe="@+/") + rest.partition("}")[2] if found else head
        )
        query = [self.query.replace("{it}", quote(it))] if self.query else []
        query += [f"account={account}"] if account else []
        return self.method, path + ("?" + "&".join(query) if query else ""), filled(self.body, it)


def filled(body: Any, it: str) -> Any:
    """Return a body with the thing in it."""
    match body:
        case str():
            return body.replace("{it}", it)
        case list():
            return [filled(one, it) for one in body]
        case dict():
            return {key: filled(one, it) for key, one in body.items()}
        case _:
            return body


_USER, _ADDRESS, _MEMBER, _MAIL = (
    "/users/{email}",
    "/addresses/{address}",
    "/members/{member_id}",
    "/mails/{mail_id}",
)
_PROFILE = "/profiles/{profile_id}"
_TEMPLATE, _SENDERS = "/templates/{template_id}", "/inboxes/{address}/senders"
_LETTER = {"text": "x", "to": ["a@nowhere.example"], "dry_run": True}
_INBOX, _SOURCE = "/inboxes/{address}", "/sources/{name}"
_GONE = "01" + "G" * 24
_NEW_SOURCE = {
    "name": "new-box",
    "kind": "imap",
    "host": "imap.gone.example",
    "username": "box@gone.example",
    "password": PASSWORD,
    "inbox": "{it}",
}
_HOOK = "/webhooks/{webhook_id}"
_CLIENT_KEY = "/clients/by-key/{key}"
_NEW_CLIENT = {"name": "New", "key": "{it}"}
_NEW = {"email": "{it}", "name": "Somebody"}
_EMAIL = {"old": "{it}", "new": "new@acme.example"}
_TWO = {"email": "{it}", "into": "jan@acme.example"}
_AWAY = {
    "email": "{it}",
    "from": "2026-11-20",
    "until": "2026-11-21",
    "substitute": "desk@acme.example",
}
_AGREED = {"digest": "0", "reason": "Married"}

ROUTES = [
    Route("GET", "/me", "none"),
    Route("DELETE", "/me/session", "none"),
    Route("GET", "/accounts", "none"),
    Route("GET", "/accounts/{slug}", "account"),
    Route("GET", "/users", "none", takes_account=True),
    Route("POST", "/users", "user", _NEW, takes_account=True, told="U9"),
    Route("POST", "/users", "waiting", _NEW, takes_account=True, told="U1"),
    Route("POST", "/users/import", "user", {"users": [_NEW]}, takes_account=True, told="U9"),
    Route("GET", _USER, "user"),
    Route("GET", _USER, "alias"),
    Route("PATCH", _USER, "user", {"name": "New"}, takes_account=True),
    Route("PATCH", _USER, "user", {"role": "admin"}, takes_account=True),
    Route(
        "PATCH",
        _USER,
        "username",
        {"username": "{it}"},
        told="U8",
        sent="/users/desk@acme.example",
    ),
    Route("POST", f"{_USER}/disable", "user"),
    Route("POST", f"{_USER}/enable", "user"),
    Route("PUT", f"{_USER}/password", "user", {"password": PASSWORD}),
    Route("GET", f"{_USER}/addresses", "user"),
    Route("POST", f"{_USER}/addresses", "user", {"address": "new@acme.example"}),
    Route(
        "POST",
        f"{_USER}/addresses",
        "alias",
        {"address": "{it}"},
        told="U1",
        sent="/users/jan@acme.example/addresses",
    ),
    Route("GET", f"{_USER}/drop", "user", takes_account=True),
    Route("POST", f"{_USER}/drop/rotate", "user", takes_account=True),
    Route("GET", f"{_USER}/logins", "user"),
    Route(
        "POST",
        f"{_USER}/logins",
        "user",
        {"account": "acme", "username": "a-second-name", "password": PASSWORD},
    ),
    Route(
        "POST",
        f"{_USER}/logins",
        "account",
        {"account": "{it}", "username": "a-second-name", "password": PASSWORD},
        tells_members=True,
        sent="/users/{me}/logins",
    ),
    Route(
        "POST",
        f"{_USER}/identities/detach",
        "user",
        {"issuer": "https://issuer.example", "subject": "subject"},
    ),
    Route("POST", "/me/identities/{name}", "none", {"kept": "x", "came": {}}),
    Route("POST", f"{_USER}/link", "user"),
    Route("POST", f"{_USER}/second-step", "user", takes_account=True),
    Route("POST", f"{_USER}/second-step/confirm", "user", {"code": "123456"}, takes_account=True),
    Route("POST", f"{_USER}/second-step/end", "user", {"code": ""}, takes_account=True),
    Route("GET", f"{_USER}/sessions", "user"),
    Route("DELETE", f"{_USER}/sessions", "user"),
    Route(
        "DELETE",
        f"{_USER}/sessions/{{session_id}}",
        "session",
        sent="/users/jan@acme.example/sessions/{it}",
    ),
    Route("GET", f"{_USER}/tokens", "user"),
    Route("POST", f"{_USER}/tokens", "user", {"name": "phone"}),
    Route(
        "POST",
        f"{_USER}/tokens",
        "account",
        {"name": "phone", "account": "{it}"},
        sent="/users/{me}/tokens",
    ),
    Route("DELETE", "/tokens/{token_id}", "token"),
    Route("DELETE", _ADDRESS, "alias"),
    Route("DELETE", _ADDRESS, "user"),
    Route("DELETE", _ADDRESS, "inbox"),
    Route("POST", f"{_ADDRESS}/primary", "alias"),
    Route("POST", f"{_ADDRESS}/verify", "waiting"),
    Route("POST", f"{_ADDRESS}/confirm", "waiting", {"code": "wrong"}),
    Route("GET", "/members", "none", takes_account=True),
    Route("POST", "/members", "user", {"email": "{it}"}, takes_account=True, told="U9"),
    Route(
        "POST",
        "/members/import",
        "user",
        {"members": [{"email": "{it}"}]},
        takes_account=True,
        told="U9",
    ),
    Route("GET", "/members/own", "none"),
    Route("POST", "/members/requests", "account", {"account": "{it}"}, tells_members=True),
    Route("POST", f"{_MEMBER}/accept", "invitation"),
    Route("POST", f"{_MEMBER}/refuse", "invitation"),
    Route("POST", f"{_MEMBER}/refuse", "request"),
    Route("POST", f"{_MEMBER}/grant", "request", {"role": "member"}),
    Route("DELETE", "/members/{email}", "user", takes_account=True),
    Route("GET", "/mails", "none", takes_account=True),
    Route("GET", "/mails", "account", query="account={it}"),
    Route("GET", "/mails", "user", query="owner={it}"),
    Route("GET", "/mails", "inbox", query="inbox={it}"),
    Route("GET", "/mails", "client", query="client={it}"),
    Route("GET", "/mails", "status", query="status={it}"),
    Route("GET", "/mails", "mail", query="after={it}"),
    Route("GET", "/mails", "profile", query="profile={it}"),
    Route("GET", "/mails/count", "none", takes_account=True),
    Route("GET", "/mails/count", "profile", query="profile={it}"),
    Route("POST", "/mails/search", "account", {"terms": [], "account": "{it}"}),
    Route("POST", "/mails/search", "profile", {"terms": [], "profile": "{it}"}),
    Route("GET", "/profiles", "none", takes_account=True),
    Route("POST", "/profiles", "none", {"name": "New", "terms": []}, takes_account=True),
    Route("GET", _PROFILE, "profile", takes_account=True),
    Route("PATCH", _PROFILE, "profile", {"pinned": True}, takes_account=True),
    Route("DELETE", _PROFILE, "profile", takes_account=True),
    *(
        Route("GET", f"{_MAIL}{more}", kind)
        for more in ("", "/body", "/explain", "/history", "/repairs")
        for kind in ("mail", "erased")
    ),
    Route("POST", f"{_MAIL}/tickets", "mail", {}),
    *(
        Route("GET", f"{_MAIL}/attachments{more}", kind, sent=f"/mails/{{it}}/attachments{sent}")
        for more, sent in (("/{part}", "/1"), (".zip", ".zip"))
        for kind in ("mail", "erased")
    ),
    Route("GET", "/mailboxes", "none", takes_account=True),
    Route("GET", "/mailboxes", "account", query="account={it}"),
    Route("GET", "/mailboxes", "user", query="owner={it}"),
    *(
        Route(
            "POST",
            "/mails/give-found",
            kind,
            {"mails": {"account": "acme", **mails}, "to": to, "dry_run": dry_run},
        )
        for dry_run in (False, True)
        for kind, mails, to in (
            ("user", {"owner": "{it}"}, "desk@acme.example"),
            ("user", {}, "{it}"),
        )
    ),
    *(
        Route("GET", f"{_MAIL}{more}", kind)
        for more in ("/conversation", "/readers")
        for kind in ("mail", "erased")
    ),
    Route("POST", f"{_MAIL}/conversation/give", "mail", {"to": "jan@acme.example"}),
    Route("POST", f"{_MAIL}/opened", "mail"),
    Route("POST", f"{_MAIL}/repairs", "mail", {"action": "ignore"}),
    *(Route("GET", f"{_MAIL}/raw", kind) for kind in ("mail", "erased")),
    Route("GET", "/mails/counts", "inbox", query="inbox={it}", takes_account=True),
    Route("POST", "/mails/give", "mail", {"ids": ["{it}"], "to": "jan@acme.example"}),
    Route("POST", "/mails/give", "user", {"ids": [_GONE], "to": "{it}"}),
    Route("POST", f"{_MAIL}/take", "mail"),
    Route("POST", "/mails/undo", "change", {"change": "{it}"}),
    Route("POST", "/mails/undo", "none", {"change": _GONE}, takes_account=True),
    *(
        Route("POST", f"/mails/{act}", "mail", {"ids": ["{it}"]})
        for act in ("read", "unread", "dismiss", "release", "retry", "fetch")
    ),
    Route("POST", "/mails/status", "mail", {"ids": ["{it}"], "status": "Done"}),
    Route("POST", f"{_MAIL}/notes", "mail", {"text": "A note"}),
    *(
        Route("POST", f"/mails/{act}", "mail", {"ids": ["{it}"], "client": _GONE})
        for act in ("file", "unfile")
    ),
    *(
        Route("POST", f"/mails/{act}", "contact", {"names": ["{it}"]}, takes_account=True)
        for act in ("matching", "heal")
    ),
    Route("GET", "/events", "none", takes_account=True),
    Route("GET", "/events", "account", query="account={it}"),
    Route("GET", "/events/stream", "account", query="account={it}"),
    Route("GET", "/inboxes", "none", takes_account=True),
    Route(
        "POST",
        "/inboxes",
        "inbox",
        {"address": "{it}", "kind": "shared"},
        takes_account=True,
        told="U1",
    ),
    Route("GET", _INBOX, "inbox", takes_account=True),
    Route("PATCH", _INBOX, "inbox", {"settings": {"max_size": "1MiB"}}, takes_account=True),
    Route("GET", f"{_INBOX}/members", "team", takes_account=True),
    Route("PATCH", f"{_INBOX}/members", "team", {"add": []}, takes_account=True),
    *(
        Route(method, f"{_INBOX}/key", "inbox", takes_account=True)
        for method in ("GET", "POST", "DELETE")
    ),
    Route("POST", f"{_INBOX}/communal-user", "inbox", {"name": "Team"}, takes_account=True),
    Route("POST", f"{_INBOX}/mode/plan", "inbox", {"mode": "distributed"}, takes_account=True),
    Route("GET", "/status-roles", "none", takes_account=True),
    Route("PATCH", "/statuses/{name}", "status", {"closes": False}, takes_account=True),
    Route("GET", "/statuses", "none", takes_account=True),
    Route("POST", "/statuses", "none", {"name": "New"}, takes_account=True),
    Route("DELETE", "/statuses/{name}", "status", takes_account=True),
    Route("GET", "/sources", "none", takes_account=True),
    Route("POST", "/sources", "inbox", _NEW_SOURCE, takes_account=True),
    Route("GET", _SOURCE, "source", takes_account=True),
    Route("PATCH", _SOURCE, "source", {"settings": {"every": "90s"}}, takes_account=True),
    *(
        Route("POST", f"{_SOURCE}/{act}", "source", takes_account=True)
        for act in ("pause", "resume", "fetch-failed")
    ),
    Route("GET", "/errands", "none"),
    Route("POST", "/errands/retry", "errand", {"ids": ["{it}"]}),
    Route("GET", "/answers", "none", takes_account=True),
    Route("DELETE", "/answers/{subject}", "contact", takes_account=True),
    Route("GET", "/directories", "none"),
    Route("GET", "/directory", "none", takes_account=True),
    Route("POST", "/accounts", "account", {"slug": "new", "name": "{it}"}),
    Route("PATCH", "/accounts/{slug}", "account", {"settings": {"name": "New"}}),
    Route("PATCH", _ADDRESS, "alias", {"delivers_to": "none"}),
    Route("GET", "/clients/{client_id}/reference", "client", takes_account=True),
    Route("GET", "/clients", "none", takes_account=True),
    *(
        Route("POST", "/clients", kind, {"name": "New", "contacts": ["{it}"]}, takes_account=True)
        for kind in ("user", "inbox", "contact")
    ),
    Route(
        "POST",
        "/clients/import",
        "user",
        {"clients": [{"name": "New", "key": "{it}", "contacts": ["{it}"]}]},
        takes_account=True,
    ),
    Route("POST", "/clients/import", "key", {"clients": [_NEW_CLIENT]}, takes_account=True),
    Route("GET", "/clients/matching", "none", takes_account=True),
    Route("POST", "/clients/matching", "none", takes_account=True),
    Route("GET", _CLIENT_KEY, "key", takes_account=True),
    Route("PUT", _CLIENT_KEY, "key", {"name": "New"}, takes_account=True),
    Route(
        "PUT",
        _CLIENT_KEY,
        "user",
        {"name": "New", "contacts": ["{it}"]},
        takes_account=True,
        sent="/clients/by-key/{it}",
    ),
    Route("GET", "/clients/{client_id}", "client", takes_account=True),
    Route("PATCH", "/clients/{client_id}", "client", {"name": "New"}, takes_account=True),
    Route("GET", "/rules", "none", takes_account=True),
    *(
        Route(
            "POST", path, kind, {**body, name: f'text is x: {act} = "{{it}}"'}, takes_account=True
        )
        for path, name, body in (("/rules", "text", {"name": "New"}), ("/rules/try", "rule", {}))
        for act, kind in (("owner", "user"), ("status", "status"), ("file", "client"))
    ),
    Route("POST", "/rules/try", "rule", {"rule": "{it}"}, takes_account=True),
    Route("GET", "/rules/{rule_id}", "rule", takes_account=True),
    Route("PATCH", "/rules/{rule_id}", "rule", {"on": True}, takes_account=True),
    Route("PATCH", "/rules/{rule_id}", "rule", {"position": 1}, takes_account=True),
    Route("DELETE", "/rules/{rule_id}", "rule", takes_account=True),
    *(
        Route("POST", f"{_MAIL}{path}", kind, _LETTER)
        for path in ("/reply", "/forward")
        for kind in ("mail", "erased")
    ),
    *(
        Route(
            "POST", "/letters", kind, {**_LETTER, "subject": "x", key: "{it}"}, takes_account=True
        )
        for key, kind in (("template", "template"), ("sender", "inbox"), ("sender", "alias"))
    ),
    Route("GET", "/templates", "none", takes_account=True),
    *(
        Route(
            "POST",
            "/templates",
            kind,
            {"name": "New", "text": "x", key: "{it}"},
            takes_account=True,
        )
        for key, kind in (("sender", "inbox"), ("sets_status", "status"))
    ),
    Route("GET", _TEMPLATE, "template", takes_account=True),
    Route("PATCH", _TEMPLATE, "template", {"text": "x"}, takes_account=True),
    Route("DELETE", _TEMPLATE, "template", takes_account=True),
    Route("GET", _SENDERS, "inbox", takes_account=True),
    Route("PATCH", _SENDERS, "inbox", {"add": ["jan@acme.example"]}, takes_account=True),
    Route(
        "PATCH",
        _SENDERS,
        "user",
        {"add": ["{it}"]},
        takes_account=True,
        sent="/inboxes/info@acme.example/senders",
    ),
    Route("PUT", f"{_MAIL}/answering", "mail"),
    Route("DELETE", f"{_MAIL}/answering", "mail"),
    Route("GET", "/absences", "none", takes_account=True),
    Route("POST", "/absences", "user", _AWAY, takes_account=True),
    Route("POST", "/absences/return", "user", {"email": "{it}"}, takes_account=True),
    Route("DELETE", "/absences/{absence_id}", "absence", takes_account=True),
    Route("GET", "/webhooks", "none", takes_account=True),
    Route("POST", "/webhooks", "none", {"url": "http://10.0.0.1/"}, takes_account=True),
    Route("GET", _HOOK, "webhook", takes_account=True),
    Route("PATCH", _HOOK, "webhook", {"state": "paused"}, takes_account=True),
    Route("PATCH", _HOOK, "webhook", {"events": ["mail.filed"]}, takes_account=True),
    Route("DELETE", _HOOK, "webhook", takes_account=True),
    Route("POST", f"{_HOOK}/secret", "webhook", takes_account=True),
    Route("POST", f"{_HOOK}/test", "webhook", takes_account=True),
    Route("POST", f"{_HOOK}/replay", "webhook", {"dead": True}, takes_account=True),
    Route("POST", f"{_HOOK}/replay", "webhook", {"skip": True}, takes_account=True),
    Route("GET", f"{_HOOK}/events", "webhook", takes_account=True),
    Route("GET", "/changes", "none"),
    Route("POST", "/changes/email/plan", "user", _EMAIL),
    Route("POST", "/changes/email", "user", _EMAIL | _AGREED),
    Route("POST", "/changes/merge/plan", "user", _TWO),
    Route("POST", "/changes/merge", "user", _TWO | _AGREED),
    Route("POST", "/changes/{change_id}/undo", "change"),
    Route("POST", "/changes/{change_id}/unmerge", "change"),
]

OPEN = {
    "POST /login": "no account is named: a name and a password, one answer for all that is wrong",
    "POST /login/reset": "one answer whatever exists",
    "POST /login/reset/use": "by a mailed secret alone",
    "POST /login/sign-up": "by a mailed secret alone",
    "POST /login/verify": "by a mailed secret alone",
    "GET /login/providers": "what the operator has set up",
    "POST /login/providers/{name}": "what the operator has set up",
    "GET /mails/{mail_id}/cid/{ticket}/{part}": "by a sealed ticket alone, which names one mail and who asked",
    "POST /login/providers/{name}/finish": "by what a provider says alone",
}
"""Routes that need no token, and know no account."""
