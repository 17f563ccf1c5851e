"""Two companies on one installation, and everybody who might look over the wall between them."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from maild.core.absence import NewAbsence, add_absence
from maild.core.acts import new_act
from maild.core.agency import request_access
from maild.core.app import OPERATOR, Actor, App
from maild.core.clients_changing import ClientChanges, change_client
from maild.core.inboxes import NewInbox, add_inbox
from maild.core.joining import answer_invitation, invite, list_members
from maild.core.leaving import remove_member
from maild.core.mailbox import give
from maild.core.outbox import list_errands
from maild.core.people import set_password, set_user
from maild.core.profiles import ProfileText, add_profile
from maild.core.resets import send_link
from maild.core.rules import add_rule
from maild.core.seal import SealingKey
from maild.core.sessions import begin_session, list_sessions
from maild.core.signing_in import SignedIn
from maild.core.sources import NewSource, add_source
from maild.core.standing_rulings import remember_client
from maild.core.statuses import add_status
from maild.core.templates import TemplateText, add_template
from maild.core.tokens import make_token
from maild.core.webhooks import add_webhook
from maild.faces.documents import document
from maild.model.people import InboxKind, Role
from maild.model.reason import RefusedError
from maild.model.source import SignIn, SourceKind
from maild.store import migrate, people_tables
from maild.store.schema import deliveries
from maild.store.store import Store
from maild.testing.world import World, a_world
from tests.core.company import Post

KEY = SealingKey.of("0123456789abcdef" * 3)
NOW = datetime(2026, 11, 20, 9, 42, tzinfo=UTC)
_MADE = re.compile(r"01[0-9A-HJKMNP-TV-Z]{24}")
_SHORT = 5
"""Letters of a name that may stand in an id by chance."""
GONE_ID = "01" + "G" * 24

INSIDERS = ("member", "distributor", "admin")
"""Roles in acme; each has things of its own there, and a colleague, jan."""
OUTSIDERS = ("nobody", "other_admin", "narrowed_admin", "narrowed_operator", "shut_admin")
"""To whom nothing of acme's is there: who has left it, beta's admin, those who are narrowed to beta, and acme's own admin
by a login that acme does not take (U9)."""
AGENT = "agent_in_acme"
"""Admin of both by one login, with a token for acme alone: beta is not there."""
SHUT = "a secret of the general login"


@dataclass(frozen=True)
class Company:
    """The installation as it stands before each look; `things[kind, whose]` is what to name it by."""

    folder: Path
    actors: dict[str, Actor]
    things: dict[tuple[str, str], str]
    tokens: dict[str, str]
    """By which each of the actors asks over HTTP."""

    @contextmanager
    def copy(self, into: Path) -> Iterator[App]:
        """Open a copy, so that no look leaves anything behind for the next."""
        shutil.copytree(self.folder, into)
        with closing(_store(into)) as store:
            yield _app(store)

    def thing(self, kind: str, whose: str) -> str:
        """Return what to name a thing by: of a role, of the colleague, of beta ("other"), or one that is not there."""
        return self.things[kind, whose]


def _store(folder: Path) -> Store:
    return Store(f"sqlite:///{folder}/maild.db", folder / "bodies")


def _app(store: Store) -> App:
    return App(
        store=store,
        clock=lambda: NOW,
        key=KEY,
        public_url="https://mail.acme.example",
        has_relay=True,
    )


def build(folder: Path) -> Company:
    """Make the two companies."""
    folder.mkdir()
    with closing(_store(folder)) as store:
        migrate.upgrade(store.database)
        made = _Builder(_app(store))
        made.accounts()
        made.people()
        made.places()
        made.webhooks()
        made.memberships()
        made.absences()
        made.mails()
        made.keys()
    return Company(folder, made.actors, made.things, made.tokens)


class _Builder:
    def __init__(self, app: App) -> None:
        self.app = app
        self.post = Post(app)
        self.actors: dict[str, Actor] = {}
        self.things: dict[tuple[str, str], str] = {}
        self.worlds: dict[str, World] = {}
        self.tokens: dict[str, str] = {}

    def name(self, kind: str, *refs: str) -> None:
        colleague, other, gone = refs
        self.things |= {
            (kind, "colleague"): colleague,
            (kind, "other"): other,
            (kind, "gone"): gone,
        }
        for role in INSIDERS:
            self.things.setdefault((kind, role), colleague)

    def accounts(self) -> None:
        for slug in ("acme", "beta", "gamma"):
            self.worlds[slug] = a_world(self.app, slug)
        for whose in ("colleague", *INSIDERS):
            self.things["account", whose] = "acme"
        self.name("account", "acme", "beta", "nowhere")

    def people(self) -> None:
        acme, beta, gamma = self.worlds.values()
        for role in INSIDERS:
            email = f"{role}@acme.example"
            acme.user(email, role=Role(role))
            acme.alias(email, f"{role}.alias@acme.example")
            acme.alias(email, f"{role}.waits@acme.example", confirm=False)
            self.things["user", role] = email
            self.things["alias", role] = f"{role}.alias@acme.example"
            self.things["waiting", role] = f"{role}.waits@acme.example"
            self.actors[role] = acme.actor(email)
        acme.user("jan@acme.example")
        acme.user("desk@acme.example")
        beta.user("boss@beta.example", role=Role.ADMIN)
        beta.user("bea@beta.example")
        for world, email in ((acme, "jan@acme.example"), (beta, "bea@beta.example")):
            local, _, domain = email.partition("@")
            world.alias(email, f"{local}.alias@{domain}")
            world.alias(email, f"{local}.waits@{domain}", confirm=False)
        self.name("user", "jan@acme.example", "bea@beta.example", "bob@beta.example")
        self.name(
            "alias", "jan.alias@acme.example", "bea.alias@beta.example", "gone.alias@beta.example"
        )
        self.name(
            "waiting", "jan.waits@acme.example", "bea.waits@beta.example", "gone.waits@beta.example"
        )
        gamma.user("nina@gamma.example")
        gamma.user("adele@gamma.example", role=Role.ADMIN)
        self.actors["nobody"] = gamma.actor("nina@gamma.example")
        adele = gamma.actor("adele@gamma.example")
        beta_id, acme_id = self._account_id("beta"), self._account_id("acme")
        self.actors |= {
            "other_admin": beta.actor("boss@beta.example"),
            "narrowed_admin": Actor(adele.user_id, beta_id),
            "narrowed_operator": Actor(None, beta_id),
            "shut_admin": replace(self.actors["admin"], shut=frozenset({acme_id})),
            AGENT: Actor(adele.user_id, acme_id),
        }
        self.name("none", "", "", "")
        self._user_names()
        self._name_by_number(acme_id, beta_id)

    def _name_by_number(self, acme_id: int, beta_id: int) -> None:
        self.name("remembered", "shared@acme.example", "shared@beta.example", "shared@gone.example")
        self.name("home", str(acme_id), str(beta_id), "999")
        self.name(
            "number", self._number("jan@acme.example"), self._number("bea@beta.example"), "999"
        )
        for role in INSIDERS:
            self.things["number", role] = str(self.actors[role].user_id)

    def _user_names(self) -> None:
        names = ("the-name-of-jan", "the-name-of-bea", "the-name-of-nobody")
        for email, name in zip(("jan@acme.example", "bea@beta.example"), names, strict=False):
            set_user(self.app, email, {"username": name}, by=OPERATOR)
        self.name("username", *names)

    def _account_id(self, slug: str) -> int:
        with self.app.store.read() as tx:
            found = tx.people.account(slug)
        assert found is not None
        return found.id

    def _email(self, user_id: int) -> str:
        with self.app.store.read() as tx:
            found = tx.people.user(user_id).email
        assert found is not None
        return found

    def _number(self, email: str) -> str:
        with self.app.store.read() as tx:
            found = tx.people.name(email)
        assert found is not None
        return str(found.user_id)

    def places(self) -> None:
        refs: dict[str, list[str]] = {"inbox": [], "team": [], "client": [], "contact": []}
        for slug in ("acme", "beta"):
            world = self.worlds[slug]
            owner = "desk@acme.example" if slug == "acme" else "boss@beta.example"
            refs["inbox"].append(world.inbox(f"info@{slug}.example", owner=owner).address)
            world.inbox(f"crm@{slug}.example", InboxKind.FORWARD, owner=owner)
            team = NewInbox(
                address=f"team@{slug}.example", kind=InboxKind.SHARED, mode="communal", owner=owner
            )
            refs["team"].append(add_inbox(self.app, team, account=slug, by=OPERATOR).inbox.address)
            contact = f"client@of-{slug}.example"
            refs["contact"].append(contact)
            refs["client"].append(world.client(f"Client of {slug}", contact).id)
            change_client(
                self.app,
                refs["client"][-1],
                ClientChanges(key=f"key-{slug}"),
                account=slug,
                by=OPERATOR,
            )
            add_status(self.app, f"Status of {slug}", account=slug, by=OPERATOR)
            rule = f"inbox is team@{slug}.example: owner = {owner}, file = Client of {slug}"
            add_rule(self.app, f"rule-{slug}", rule, on=True, account=slug, by=OPERATOR)
            self._texts(slug)
            source = NewSource(
                name=f"box-{slug}",
                kind=SourceKind.IMAP,
                host=f"imap.{slug}.example",
                username=f"box@{slug}.example",
                inbox=f"info@{slug}.example",
                sign_in=SignIn.PASSWORD,
            )
            add_source(self.app, source, account=slug, by=OPERATOR)
            self._remember(slug, f"shared@{slug}.example", refs["client"][-1])
        self.name("inbox", *refs["inbox"], "gone-inbox@beta.example")
        self.name("team", *refs["team"], "gone-team@beta.example")
        self.name("client", *refs["client"], GONE_ID)
        self.name("key", "key-acme", "key-beta", "key-gone")
        self.name("contact", *refs["contact"], "gone@of-beta.example")
        self.name("status", "Status of acme", "Status of beta", "Status of gone")
        self.name("profile", "profile-acme", "profile-beta", "profile-gone")
        self.name("template", "template-acme", "template-beta", "template-gone")
        self.name("rule", "rule-acme", "rule-beta", "rule-gone")
        self.name("domain", "acme.example", "beta.example", "gone.example")
        self.name("source", "box-acme", "box-beta", "box-gone")

    def webhooks(self) -> None:
        urls = {slug: f"https://crm.of-{slug}.example/hook" for slug in ("acme", "beta")}
        made = [add_webhook(self.app, urls[slug], account=slug, by=OPERATOR) for slug in urls]
        self.name("webhook", *(one.webhook.id for one in made), GONE_ID)

    def _texts(self, slug: str) -> None:
        words = TemplateText(text=f"Hello from {slug}", sender=f"info@{slug}.example")
        add_template(self.app, f"template-{slug}", words, account=slug, by=OPERATOR)
        saved = ProfileText(name=f"profile-{slug}", query="offer", shared=True)
        add_profile(self.app, saved, account=slug, by=OPERATOR)

    def _remember(self, slug: str, key: str, client: str) -> None:
        act = new_act(self.app, OPERATOR)
        with self.app.store.write() as tx:
            account_id = self._account_id(slug)
            found = tx.clients.client(account_id, client)
            assert found is not None
            remember_client(tx, account_id, key, found.id, found.name, act)

    def memberships(self) -> None:
        """Everybody is invited to gamma; gamma's agent works for both; nina has left, and asks for access to both."""
        self._let_nina_leave()
        for whose, email in [
            *((role, f"{role}@acme.example") for role in INSIDERS),
            ("colleague", "jan@acme.example"),
            ("other", "bea@beta.example"),
        ]:
            asked = invite(self.app, email, role=Role.MEMBER, account="gamma", by=OPERATOR)
            self.things["invitation", whose] = asked.membership.id
        self.things["invitation", "gone"] = GONE_ID
        for slug in ("acme", "beta"):
            joined = invite(
                self.app, "adele@gamma.example", role=Role.ADMIN, account=slug, by=OPERATOR
            )
            answer_invitation(self.app, joined.membership.id, accept=True, by=OPERATOR)
        nina = self.actors["nobody"]
        for slug, whose in (("acme", "colleague"), ("beta", "other")):
            request_access(self.app, slug, by=nina)
            found = [
                one
                for one in list_members(self.app, account=slug, by=OPERATOR)
                if one.state == "requested"
            ]
            self.things["request", whose] = found[0].id
        self.name(
            "request", self.things["request", "colleague"], self.things["request", "other"], GONE_ID
        )
        with self.app.store.write() as tx:
            table = people_tables.memberships
            tx.connection.execute(
                update(table)
                .where(table.c.user_id == nina.user_id, table.c.state == "active")
                .values(state="refused")
            )

    def absences(self) -> None:
        """Everybody is away next year, and jan, and beta's bea."""
        away = [*((role, "acme") for role in INSIDERS), ("colleague", "acme"), ("other", "beta")]
        for whose, slug in away:
            substitute = "desk@acme.example" if slug == "acme" else "boss@beta.example"
            new = NewAbsence(begins="2027-01-01", until="2027-01-02", substitute=substitute)
            made = add_absence(self.app, self.things["user", whose], new, account=slug, by=OPERATOR)
            self.things["absence", whose] = made.id
        self.things["absence", "gone"] = GONE_ID

    def _let_nina_leave(self) -> None:
        asked = invite(self.app, "nina@gamma.example", role=Role.ADMIN, account="acme", by=OPERATOR)
        answer_invitation(self.app, asked.membership.id, accept=True, by=OPERATOR)
        remove_member(self.app, "nina@gamma.example", account="acme", by=OPERATOR)

    def mails(self) -> None:
        owners = [*((role, "acme") for role in INSIDERS), ("colleague", "acme"), ("other", "beta")]
        for whose, slug in [*owners, ("erased", "acme"), ("erased too", "beta")]:
            to = f"info@{slug}.example"
            message_id = f"{whose}@mail"
            self.post.send(
                self.post.mail(f"client@of-{slug}.example", to=to, message_id=message_id), to
            )
            self.post.decide()
            self.things["mail", whose] = self._newest_mail()
        for whose, _ in owners:
            ulid, name = self.things["mail", whose], self.things["user", whose]
            change = give(self.app, [ulid], to=int(self._number(name)), by=OPERATOR)
            self.things["change", whose] = change.id
        for author in ("jan@acme.example, desk@acme.example", "stranger@nowhere.example"):
            # One that names two authors, and one of a stranger: held, each with repairs of its own.
            self.post.send(self.post.mail(author, to="crm@acme.example"), "crm@acme.example")
        self.post.decide()
        self.things["change", "gone"] = self.things["mail", "gone"] = GONE_ID
        erased = [self.things["mail", "erased"], self.things["mail", "erased too"]]
        self.name("erased", *erased, GONE_ID)
        with self.app.store.write() as tx:
            tx.connection.execute(
                update(deliveries).where(deliveries.c.ulid.in_(erased)).values(state="erased")
            )

    def _newest_mail(self) -> str:
        with self.app.store.read() as tx:
            query = select(deliveries.c.ulid).order_by(deliveries.c.id.desc()).limit(1)
            return str(tx.connection.execute(query).scalar_one())

    def keys(self) -> None:
        """Give everybody a token and a session; and have an errand in the outbox."""
        send_link(self.app, "bea@beta.example", by=OPERATOR)
        errand = list_errands(self.app, by=OPERATOR)[0].id
        self.name("errand", errand, errand, GONE_ID)
        for whose in (*INSIDERS, "colleague", "other"):
            email = self.things["user", whose]
            actor = Actor(int(self._number(email)))
            set_password(self.app, email, f"A long password of {whose}", by=OPERATOR)
            made = make_token(self.app, email, "phone", by=actor)
            self.things["token", whose] = made.token.id
            with self.app.store.read() as tx:
                login = tx.logins.general(int(self._number(email)))
            assert login is not None
            signed_in = SignedIn(user_id=login.user_id, login_id=login.id)
            begin_session(self.app, signed_in, peer="192.0.2.1")
            self.things["session", whose] = list_sessions(self.app, email, by=OPERATOR)[0].id
        self.things["token", "gone"] = GONE_ID
        self.things["user", "agent"] = "adele@gamma.example"
        self.tokens["shut_admin"] = SHUT
        self.things["me", "shut_admin"] = self.things["user", "admin"]
        slugs = {self._account_id(slug): slug for slug in ("acme", "beta")}
        for who in (*INSIDERS, *OUTSIDERS[:-1], AGENT):
            actor = self.actors[who]
            account = None if actor.account_id is None else slugs[actor.account_id]
            whose_token = None if actor.user_id is None else self._email(actor.user_id)
            self.things["me", who] = whose_token or "nobody@beta.example"
            by = OPERATOR if actor.user_id is None else Actor(actor.user_id)
            made = make_token(self.app, whose_token, "wall", account=account, by=by)
            self.tokens[who] = made.secret
        self.things["session", "gone"] = "99999"


Outcome = tuple[str, str]
"""What came of a look: its code ("done" where nothing was refused), and every word of it, with what was named left out."""


def outcome_of(look: Callable[[], Any], named: tuple[str, ...]) -> Outcome:
    """Look, and return what came of it."""
    try:
        value = look()
        seen = list(value) if isinstance(value, Iterator) else value
        code, words = "done", document(seen)
    except RefusedError as refused:
        code, words = refused.reason.code, [str(refused), document(refused.ways)]
    return code, without(json.dumps(words, default=str), named)


def without(text: str, named: tuple[str, ...]) -> str:
    """Leave out what was named, and ids that were made in this moment."""
    for one in sorted(named, key=len, reverse=True):
        if len(one) > _SHORT:
            text = text.replace(one, "…")
    text = _MADE.sub("(an id)", text)
    for one in named:
        text = text.replace(one, "…")
    return text
