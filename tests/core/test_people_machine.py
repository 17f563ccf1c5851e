"""U1, U11-U13 under any sequence of acts: a small model beside the real thing, and every invariant after every step.

The model knows whose each address is, and whose each mail has to be: the user who had its From when it came in.  A step
may be refused, or end with a crash inside its transaction; then nothing has changed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text
from typing_extensions import override

from maild.core.addresses import add_address, make_primary, remove_address
from maild.core.app import OPERATOR, App
from maild.core.change_email import EmailRequest, change_email, plan_change
from maild.core.changing import Changed
from maild.core.doctor import examine
from maild.core.drops import rotate_drop, show_drop
from maild.core.mailbox import give, set_unread
from maild.core.merging import merge_users, plan_merging
from maild.core.people import NewUser, add_user, set_active, set_user
from maild.core.rulings import dismiss, release_mails, retry
from maild.core.undo_change import forget_changes, undo_change
from maild.core.unmerging import unmerge
from maild.model.reason import RefusedError
from tests.core.company import READER
from tests.core.conftest import Frozen
from tests.core.firm import EVA, JAN, LEA
from tests.core.people_model import CrashError, Model, Names, OnPostgres, OnSqlite, Stores, firm_on

FULL = bool(os.environ.get("MAILD_TEST_FULL"))
MINUTE, MONTH = timedelta(minutes=1), timedelta(days=30)
PEOPLE_MAX = 6
POOL = [EVA, JAN, LEA, *(f"a{number}@acme.example" for number in range(6))]
SOME = st.integers(0, 1000)
CRASH = st.sampled_from([None] * 8 + [0, 1, 2, 3])
"""After how many names that are asked for the machine stops; mostly never."""
OVERLAPS = text(
    "SELECT count(*) FROM addresses a JOIN addresses b ON a.norm = b.norm AND a.id < b.id "
    "WHERE a.valid_from < coalesce(b.valid_to, 9e18) AND b.valid_from < coalesce(a.valid_to, 9e18)"
)
RESOLVED = text(
    "SELECT id, sender_user_id, binding_id, sender_literal FROM deliveries "
    "WHERE sender_user_id IS NOT NULL ORDER BY id"
)


class PeopleMachine(RuleBasedStateMachine):
    """Acts of all kinds, in any order."""

    stores: Stores

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="people-machine-"))
        self.clock = Frozen()
        self.firm = firm_on(App(store=self.stores.open(self.folder), clock=self.clock))
        self.app = self.firm.app
        self.model = Model()
        for user, norm in ((1, LEA), (2, EVA), (3, JAN)):
            self.model.live[norm] = user
            self.model.primary[user] = norm
        self.changes: list[tuple[Changed, str, tuple[Any, ...]]] = []
        """Changes that stand and can be taken back, with what the model needs for that."""
        self.waiting: dict[int, tuple[str, int | None]] = {}
        """Deliveries that are not decided: their From, and whose it was when they came in.  Without a From: to whose drop
        address they came."""
        self.stored: dict[int, tuple[Any, ...]] = {}
        self.step = 0

    @override
    def teardown(self) -> None:
        if self.waiting:
            self.decide()
        self.app.store.close()
        self.stores.forget(self.folder)
        shutil.rmtree(self.folder)

    # -- acting --------------------------------------------------------------------------------------------------------

    def attempt(self, crash: int | None, act: Callable[[App], Any]) -> Any:
        """Do it; None when it was refused or the machine stopped."""
        self.clock.advance(MINUTE)
        app = self.app
        if crash is not None:
            app = replace(app, ids=Names(crash, app.ids))
        try:
            return act(app)
        except (RefusedError, CrashError):
            return None

    def pick(self, number: int) -> int:
        people = self.model.people()
        return people[number % len(people)]

    def some_norm(self, number: int) -> str:
        return POOL[number % len(POOL)]

    def some_free(self, number: int) -> str:
        """Return an address that nobody has, or, one time in five, any."""
        free = [norm for norm in POOL if norm not in self.model.live]
        return free[number % len(free)] if free and number % 5 else self.some_norm(number)

    def aliases(self) -> list[str]:
        return sorted(self.model.live.keys() - set(self.model.primary.values()))

    def pair(self, one: int, two: int) -> tuple[int, int]:
        """Return two people, of whom one may be the other only where there is nobody else."""
        people = self.model.people()
        first = people.pop(one % len(people))
        return first, people[two % len(people)] if people else first

    # -- people --------------------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.model.primary) < PEOPLE_MAX)
    @rule(number=SOME, crash=CRASH)
    def add(self, number: int, crash: int | None) -> None:
        norm = self.some_free(number)
        self.step += 1
        new = NewUser(email=norm, name=f"N{self.step}", username=f"user{self.step}")
        added = self.attempt(crash, lambda app: add_user(app, new, account="acme", by=OPERATOR))
        if added is not None and added.outcome == "added":
            with self.app.store.read() as tx:
                name = tx.people.name(norm)
                assert name is not None
                assert name.user_id is not None
            self.model.live[norm] = name.user_id
            self.model.primary[name.user_id] = norm

    @rule(who=SOME, number=SOME, crash=CRASH)
    def alias(self, who: int, number: int, crash: int | None) -> None:
        user, norm = self.pick(who), self.some_free(number)
        added = self.attempt(
            crash,
            lambda app: add_address(
                app,
                self.model.primary[user],
                norm,
                sends_as=False,
                confirm=True,
                by=OPERATOR,
            ),
        )
        if added is not None and added.outcome == "added":
            self.model.live[norm] = user

    @precondition(lambda self: self.aliases())
    @rule(number=SOME)
    def remove(self, number: int) -> None:
        norm = self.aliases()[number % len(self.aliases())]
        if self.attempt(None, lambda app: remove_address(app, norm, by=OPERATOR)) is not None:
            del self.model.live[norm]
            self.model.former.discard(norm)

    @precondition(lambda self: self.aliases())
    @rule(number=SOME)
    def promote(self, number: int) -> None:
        norm = self.aliases()[number % len(self.aliases())]
        if self.attempt(None, lambda app: make_primary(app, norm, by=OPERATOR)) is not None:
            user = self.model.live[norm]
            if self.model.primary[user] != norm:
                self.model.former.add(self.model.primary[user])
                self.model.former.discard(norm)
                self.model.primary[user] = norm

    @rule(who=SOME, crash=CRASH)
    def rotate(self, who: int, crash: int | None) -> None:
        email = self.model.primary[self.pick(who)]
        self.attempt(crash, lambda app: rotate_drop(app, email, by=OPERATOR))

    @rule(who=SOME, active=st.booleans())
    def disable_or_enable(self, who: int, active: bool) -> None:
        user = self.pick(who)
        email = self.model.primary[user]
        done = self.attempt(None, lambda app: set_active(app, email, active=active, by=OPERATOR))
        if done is not None:
            (self.model.disabled.discard if active else self.model.disabled.add)(user)

    @rule(who=SOME, number=SOME)
    def rename_login(self, who: int, number: int) -> None:
        """To a word, which may be one that maild makes itself, or to what is or was a primary address."""
        user = self.pick(who)
        own = sorted(norm for norm in self.model.former if self.model.live.get(norm) == user)
        names = [f"word{number}", f"login-{1 + number % 6}", self.model.primary[user], *own]
        changes = {"username": names[number % len(names)]}
        self.attempt(
            None, lambda app: set_user(app, self.model.primary[user], changes, by=OPERATOR)
        )

    # -- changes -------------------------------------------------------------------------------------------------------

    @rule(who=SOME, number=SOME, force=st.booleans(), crash=CRASH)
    def change(self, who: int, number: int, force: bool, crash: int | None) -> None:
        """To a free address, or, where it is somebody's primary, a swap."""
        user, new = self.pick(who), self.some_free(number)
        old = self.model.primary[user]
        request = EmailRequest(old=old, new=new, swap_roles=True, claim_resting=force)

        def act(app: App) -> Changed:
            digest = plan_change(app, request, by=OPERATOR).plan.digest
            return change_email(app, request, reason="so", digest=digest, by=OPERATOR)

        changed = self.attempt(crash, act)
        if changed is None:
            return
        if changed.plan.kind == "swap":
            other = self.model.live[new]
            self.changes.append((changed, "swap", (user, other)))
            self.model.exchange(user, other)
        else:
            self.changes.append((changed, "rename", (user, old, new)))
            self.renamed(user, old, new)

    def renamed(self, user: int, old: str, new: str) -> None:
        del self.model.live[old]
        self.model.live[new] = user
        self.model.primary[user] = new
        self.model.former.discard(new)

    @rule(one=SOME, two=SOME, crash=CRASH)
    def swap(self, one: int, two: int, crash: int | None) -> None:
        user, other = self.pair(one, two)
        request = EmailRequest(
            old=self.model.primary[user], new=self.model.primary[other], swap_roles=True
        )

        def act(app: App) -> Changed:
            digest = plan_change(app, request, by=OPERATOR).plan.digest
            return change_email(app, request, reason="so", digest=digest, by=OPERATOR)

        changed = self.attempt(crash, act)
        if changed is not None:
            self.changes.append((changed, "swap", (user, other)))
            self.model.exchange(user, other)

    @precondition(lambda self: len(self.model.primary) > 1)
    @rule(one=SOME, two=SOME)
    def swap_twice(self, one: int, two: int) -> None:
        """It is the identity: of live bindings, logins and roles."""
        user, other = self.pair(one, two)
        before = self.whole()
        old, new = self.model.primary[user], self.model.primary[other]
        for _ in range(2):
            made = self.attempt(None, lambda _: self.firm.change(old, new, swap_roles=True))
            assert made is not None
            self.changes.append((made, "swap", (user, other)))
        assert self.whole() == before

    def whole(self) -> list[list[tuple[Any, ...]]]:
        with self.app.store.read() as tx:
            return [
                [tuple(row) for row in tx.connection.execute(text(query))]
                for query in (
                    "SELECT user_id, norm, kind, verified_at FROM addresses WHERE valid_to IS NULL ORDER BY norm",
                    "SELECT id, user_id, username, suspended_at FROM logins ORDER BY id",
                    "SELECT user_id, account_id, role, state FROM memberships ORDER BY id",
                )
            ]

    @rule(one=SOME, two=SOME, crash=CRASH)
    def merge(self, one: int, two: int, crash: int | None) -> None:
        from_, into = self.pair(one, two)
        emails = self.model.primary[from_], self.model.primary[into]

        def act(app: App) -> Changed:
            digest = plan_merging(app, *emails, by=OPERATOR).plan.digest
            return merge_users(app, *emails, digest=digest, by=OPERATOR)

        changed = self.attempt(crash, act)
        if changed is None:
            return
        moved = [norm for norm, user in self.model.live.items() if user == from_]
        was = self.model.copy()
        for norm in moved:
            self.model.live[norm] = into
            self.model.former.discard(norm)
        del self.model.primary[from_]
        self.model.into[from_] = into
        self.changes.append((changed, "merge", (from_, into, moved, was)))

    @precondition(lambda self: self.changes)
    @rule(number=SOME, crash=CRASH)
    def undo(self, number: int, crash: int | None) -> None:
        # The newest one mostly: an older one is refused while a newer one of the same people stands.
        at = number % len(self.changes) if number % 4 == 0 else len(self.changes) - 1
        changed, kind, about = self.changes[at]
        take_back = unmerge if kind == "merge" else undo_change
        # Undoing asks for names only where it mails or makes something.
        undone = self.attempt(crash, lambda app: take_back(app, changed.id, by=OPERATOR))
        if undone is None:
            return
        del self.changes[at]
        match kind:
            case "rename":
                user, old, new = about
                self.model.live.pop(new)
                self.model.live[old] = user
                self.model.primary[user] = old
                self.model.former.discard(old)
            case "swap":
                one, other = about
                self.unswapped(one, other, dict(self.model.live))
            case _:
                self.unmerged(*about)

    def unswapped(self, one: int, other: int, before: dict[str, int]) -> None:
        """Primaries go back; of the aliases that went along those that are still where they went, as the rows say."""
        self.model.primary[one], self.model.primary[other] = (
            self.model.primary[other],
            self.model.primary[one],
        )
        for norm, user, was_primary in self.live_rows():
            if before.get(norm) in {one, other} and user in {one, other}:
                self.model.live[norm] = user
                if was_primary:
                    self.model.former.add(norm)
                else:
                    self.model.former.discard(norm)
        for user in (one, other):
            assert self.model.live[self.model.primary[user]] == user

    def unmerged(self, from_: int, into: int, moved: list[str], was: Model) -> None:
        self.model.primary[from_] = was.primary[from_]
        del self.model.into[from_]
        for norm in moved:
            if self.model.live.get(norm) in {into, None} and norm != self.model.primary[into]:
                self.model.live[norm] = from_
                self.model.former.discard(norm)
                if norm in was.former and norm != was.primary[from_]:
                    self.model.former.add(norm)

    def live_rows(self) -> list[tuple[str, int, bool]]:
        query = text(
            "SELECT norm, user_id, kind <> 'primary' AND primary_until IS NOT NULL FROM addresses "
            "WHERE valid_to IS NULL"
        )
        with self.app.store.read() as tx:
            return [(row[0], row[1], bool(row[2])) for row in tx.connection.execute(query)]

    @precondition(lambda self: len(self.changes) > 3)
    @rule()
    def a_month_goes_by(self) -> None:
        self.clock.advance(MONTH)
        forget_changes(self.app)
        self.changes.clear()

    # -- mail ----------------------------------------------------------------------------------------------------------

    @rule(number=SOME)
    def receive(self, number: int) -> None:
        """A mail of somebody, and one of any address."""
        for norm in (self.model.primary[self.pick(number)], self.some_norm(number)):
            self.clock.advance(MINUTE)
            whose = self.model.live.get(norm)
            self.comes(partial(self.firm.forwards, norm, decide=False), norm, whose)

    def comes(self, sending: Callable[[], object], norm: str, whose: int | None) -> None:
        known = {row[0] for row in self.firm.rows("deliveries", "id")}
        sending()
        [new] = {row[0] for row in self.firm.rows("deliveries", "id")} - known
        self.waiting[new] = norm, whose

    @rule(who=SOME)
    def receive_by_drop(self, who: int) -> None:
        """A mail of nobody, to somebody's drop address."""
        user = self.pick(who)
        email = self.model.primary[user]
        shown = self.attempt(None, lambda app: show_drop(app, email, account="acme", by=OPERATOR))
        mail = self.firm.post.mail("team@shared.example", to="x@y.example")
        self.comes(lambda: self.firm.post.send(mail, shown.addresses[0]), "", user)

    @precondition(lambda self: self.waiting)
    @rule()
    def decide(self) -> None:
        """Each mail is whose its From was when it came in, or, if it was nobody's then, whose it is now."""
        self.clock.advance(MINUTE)
        self.firm.post.decide()
        found = {row[0]: row for row in self.resolved()}
        for number, (norm, then) in self.waiting.items():
            user = self.model.live.get(norm) if then is None else then
            if user is not None and not norm:
                user = self.model.today(user)
            if user is not None and not self.model.is_active(user):
                user = None  # Held, and of nobody until they are active.
            assert (found[number][1] if number in found else None) == user, norm
        assert self.waiting.keys() >= found.keys() - self.stored.keys()
        self.stored |= {number: found[number] for number in self.waiting if number in found}
        self.waiting.clear()

    @precondition(lambda self: self.stored)
    @rule(number=SOME)
    def decide_again(self, number: int) -> None:
        """It stays whose it was."""
        chosen = sorted(self.stored)[number % len(self.stored)]
        [ulid] = [ulid for one, ulid in self.firm.rows("deliveries", "id", "ulid") if one == chosen]
        self.attempt(None, lambda app: retry(app, READER, [ulid], by=OPERATOR))

    @precondition(lambda self: self.stored)
    @rule(number=SOME, who=SOME, what=st.integers(0, 4), crash=CRASH)
    def handle(self, number: int, who: int, what: int, crash: int | None) -> None:
        """Give it, mark it, put it away, fetch it back."""
        acts: list[Callable[[App, str], Any]] = [
            lambda app, ulid: give(app, [ulid], to=self.pick(who), by=OPERATOR),
            lambda app, ulid: give(app, [ulid], to=1 + who % 3, by=OPERATOR),
            lambda app, ulid: set_unread(app, [ulid], unread=bool(who % 2), by=OPERATOR),
            lambda app, ulid: dismiss(app, READER, [ulid], by=OPERATOR),
            lambda app, ulid: release_mails(app, READER, [ulid], by=OPERATOR),
        ]
        self.on_a_mail(number, crash, acts[what])

    def on_a_mail(self, number: int, crash: int | None, act: Callable[[App, str], Any]) -> None:
        mails = [row for row in self.firm.rows("deliveries", "id", "ulid") if row[0] in self.stored]
        if mails:
            _, ulid = mails[number % len(mails)]
            self.attempt(crash, lambda app: act(app, ulid))

    # -- what always holds ---------------------------------------------------------------------------------------------

    def resolved(self) -> list[tuple[Any, ...]]:
        with self.app.store.read() as tx:
            return [tuple(row) for row in tx.connection.execute(RESOLVED)]

    @invariant()
    def each_live_address_is_exactly_one_users(self) -> None:
        rows = self.live_rows()
        assert {norm: user for norm, user, _ in rows} == self.model.live
        assert len(rows) == len(self.model.live)

    @invariant()
    def no_address_was_two_users_at_one_moment(self) -> None:
        with self.app.store.read() as tx:
            assert tx.connection.execute(OVERLAPS).scalar_one() == 0

    @invariant()
    def nothing_that_was_stored_is_rewritten(self) -> None:
        found = {row[0]: row for row in self.resolved()}
        assert {number: found.get(number) for number in self.stored} == self.stored

    @invariant()
    def the_doctor_finds_nothing(self) -> None:
        assert examine(self.app).broken == ()


def run(stores: Stores, *, examples: int, steps: int) -> None:
    PeopleMachine.stores = stores
    run_state_machine_as_test(
        PeopleMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=not FULL,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.slow
def test_U11_any_sequence_of_acts_keeps_every_promise(tmp_path: Path) -> None:
    run(OnSqlite(tmp_path), examples=400 if FULL else 12, steps=80 if FULL else 30)


@pytest.mark.slow
@pytest.mark.postgres
def test_U11_so_it_does_on_postgresql(postgres_cluster: Path, tmp_path: Path) -> None:
    stores = OnPostgres(postgres_cluster, tmp_path)
    run(stores, examples=40 if FULL else 4, steps=40 if FULL else 15)
