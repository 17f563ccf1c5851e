"""Each script of the misbehaving server, one session: it ends in time, in little memory, with the right trouble."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pytest

from maild.core.raw import Raw, Spool
from maild.core.remote import Bounds, Password, Patience, RemoteError, Trouble
from maild.doors.pop.client import Listed, PopClient
from maild.testing.scripted_pop import NAME, SCRIPTS, SECRET, PopServer, scripted

HASTY = Patience(connect=0.8, sign_in=0.8, command=0.8, idle_data=0.6, whole_fetch=1.5)
CALM = Patience(connect=10, sign_in=10, command=10, idle_data=10, whole_fetch=10)
"""For a script that is to be ended by what it says: on a busy machine too, never by the time that it takes."""
NARROW = Bounds(listing=100_000, listing_octets=16 * 1024 * 1024)
MAX_SIZE = 4 * 1024 * 1024
GROWTH_MAX = 50 * 1024 * 1024
SECONDS_MAX = 20.0
"""Steps of 0.8 s, of which a script spoils one; the rest is for a machine that stands still for a while (8.2 s were seen)."""
MAILS = [b"Subject: %d\r\n\r\ntext\r\n" % n for n in range(1, 4)]

LOST, LATE, BROKEN = Trouble.LINE_LOST, Trouble.TIMED_OUT, Trouble.BROKEN_PROTOCOL
NOT_POP, NO_TLS = Trouble.NOT_THIS_PROTOCOL, Trouble.TLS_FAILED
REFUSED, LATER, BUSY = Trouble.REFUSED_LOGIN, Trouble.LOGIN_LATER, Trouble.BUSY

OUTCOMES: dict[str, Trouble | None] = {
    "behaves": None,
    "tls": None,
    "stls": None,
    **{
        f"{what}-at-{step}": NOT_POP if step == "greeting" else trouble
        for what, trouble in (("hangs", LATE), ("loses-line", LOST))
        for step in (
            *("greeting", "capa", "user", "pass", "list", "uidl", "top", "retr", "dele", "noop"),
            "quit",
        )
    },
    **{f"drips-at-{step}": LATE for step in ("capa", "list", "uidl", "retr", "quit")},
    "drips-at-greeting": NOT_POP,
    **{f"loses-line-amid-{step}": LOST for step in ("capa", "list", "uidl", "top", "retr")},
    "speaks-imap": NOT_POP,
    "speaks-smtp": NOT_POP,
    "speaks-http": NOT_POP,
    "speaks-noise": NOT_POP,
    "greets-no": BUSY,
    "wrong-password": REFUSED,
    "wrong-password-uncoded": REFUSED,
    "repeats-the-password": REFUSED,
    "in-use": LATER,
    "in-use-uncoded": LATER,
    "login-delay": LATER,
    "sys-temp": LATER,
    "sys-perm": Trouble.NOT_ALLOWED,
    "no-user": None,
    "xoauth2": None,
    "repeats-the-token": None,
    "repeats-the-password-cut": REFUSED,
    "list-repeats-the-password": BROKEN,
    "noop-endless-line": BROKEN,
    "xoauth2-one-line": None,
    "login-delay-announced": None,
    "tls-expired": NO_TLS,
    "tls-stranger": NO_TLS,
    "tls-wrong-name": NO_TLS,
    "tls-old": NO_TLS,
    "tls-hangs": LATE,
    "stls-stripped": NO_TLS,
    "stls-injected": None,
    "no-capa": None,
    "no-pipelining": None,
    "no-uidl": None,
    "no-top": None,
    "no-capa-uidl-top": None,
    "capability-lies": BUSY,
    "capa-endless": BROKEN,
    "empty": None,
    "list-endless": BROKEN,
    "uidl-endless": BROKEN,
    "uidl-endless-line": BROKEN,
    "uidl-long": None,
    "uidl-odd": None,
    "uidl-twice": BROKEN,
    "uidl-unknown": None,
    "uidl-noise": BROKEN,
    "list-noise": BROKEN,
    "list-twice": BROKEN,
    "list-99gb": None,
    "list-huge-number": BROKEN,
    "uidl-away": BUSY,
    "retr-no-text": LATE,
    "retr-no-end": BROKEN,
    "retr-no-line-end": BROKEN,
    "retr-20mb-line": BROKEN,
    "retr-refuses": None,
    "retr-noise": BROKEN,
    "retr-unstuffed": BROKEN,
    "retr-other": None,
    "retr-empty": None,
    "top-whole": BROKEN,
    "answers-twice": BROKEN,
    "dele-refuses": None,
    "quit-refuses": Trouble.REFUSED_ACT,
    "rset-refuses": None,
    "uidl-duplicate": None,
    "uidl-reused": None,
    "uidl-new-each-session": None,
    "empty-once": None,
    "quit-done-unanswered": LOST,
}


@dataclass
class Outcome:
    """What a session came to."""

    error: RemoteError | None = None
    seconds: float = 0.0
    growth: int = 0
    listing: list[Listed] = field(default_factory=list)
    fetched: dict[int, Raw | None] = field(default_factory=dict)
    deleted: set[int] = field(default_factory=set)
    client: PopClient | None = None

    @property
    def trouble(self) -> Trouble | None:
        return self.error.trouble if self.error is not None else None


def resident() -> int:
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


class Growth:
    """Watches how large this process becomes."""

    def __enter__(self) -> Self:
        self._begin = self._most = resident()
        self._over = threading.Event()
        self._watching = threading.Thread(target=self._watch)
        self._watching.start()
        return self

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            self._most = max(self._most, resident())

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watching.join()

    @property
    def octets(self) -> int:
        return self._most - self._begin


def one_session(server: PopServer, folder: Path, patience: Patience = CALM) -> Outcome:
    """Do all that a session can, once."""
    outcome = Outcome()
    begun = time.monotonic()
    with Growth() as growth:
        try:
            session(server, folder, outcome, patience)
        except RemoteError as error:
            outcome.error = error
    if outcome.client is not None:
        outcome.client.close()
    outcome.seconds = time.monotonic() - begun
    outcome.growth = growth.octets
    return outcome


def session(server: PopServer, folder: Path, outcome: Outcome, patience: Patience) -> None:
    client = PopClient.connect(server.endpoint(), server.address, patience=patience, bounds=NARROW)
    outcome.client = client
    client.sign_in(Password(NAME, SECRET))
    outcome.listing = client.listing()
    numbers = [listed.number for listed in outcome.listing if listed.size < MAX_SIZE]
    dict(client.tops(numbers))
    for number, raw in client.fetch(numbers, lambda: Spool(folder, 32 * 1024), max_size=MAX_SIZE):
        outcome.fetched[number] = raw
    outcome.deleted = client.delete(numbers)
    client.noop()
    client.commit()


@pytest.fixture
def outcome(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Outcome]:
    with scripted(request.param, MAILS) as server:
        yield one_session(server, tmp_path)


def test_every_script_has_its_outcome_here() -> None:
    assert set(OUTCOMES) == set(SCRIPTS)


def test_every_script_says_what_it_does() -> None:
    assert all(peer.__doc__ for peer in SCRIPTS.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(OUTCOMES))
def test_T14_a_session_ends_in_time_in_little_memory_with_its_trouble(
    name: str, tmp_path: Path
) -> None:
    is_silent = OUTCOMES[name] is LATE or name.endswith("-at-greeting")
    with scripted(name, MAILS) as server:
        outcome = one_session(server, tmp_path, HASTY if is_silent else CALM)
        deleted = len(server.deleted)
    said = outcome.error.said if outcome.error is not None else ""
    assert (outcome.trouble, said) == (OUTCOMES[name], said)
    assert outcome.seconds < SECONDS_MAX
    assert outcome.growth < GROWTH_MAX
    assert len(said) <= 300
    assert said.isprintable()
    assert SECRET not in str(outcome.error)
    # Nothing goes but what was marked in a session that came to its QUIT, and nothing is left in the spool.
    assert deleted in ({len(outcome.deleted), 0} if outcome.error else {len(outcome.deleted)})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("outcome", ["stls-injected"], indirect=True)
def test_T15_what_was_put_before_tls_is_forgotten(outcome: Outcome) -> None:
    assert outcome.client is not None
    assert "INJECTED" not in outcome.client.capabilities
    assert len(outcome.fetched) == 3


def test_T15_capabilities_from_before_tls_are_forgotten() -> None:
    with scripted("stls-injected") as server:
        client = PopClient.connect(server.endpoint(), server.address, patience=CALM, bounds=NARROW)
        client.close()
    assert "INJECTED" not in client.capabilities
    assert "UIDL" in client.capabilities


@pytest.mark.parametrize("name", ["stls-stripped", "tls-stranger", "tls-wrong-name"])
def test_T15_no_password_goes_where_tls_failed(name: str, tmp_path: Path) -> None:
    with scripted(name, MAILS) as server:
        one_session(server, tmp_path)
        assert "pass" not in server.commands


@pytest.mark.parametrize("outcome", ["no-uidl", "no-capa-uidl-top"], indirect=True)
def test_D4_without_uidl_all_ids_are_none(outcome: Outcome) -> None:
    assert [listed.uidl for listed in outcome.listing] == [None] * 3


@pytest.mark.parametrize("outcome", ["uidl-duplicate"], indirect=True)
def test_D4_repeated_ids_are_all_listed(outcome: Outcome) -> None:
    assert [listed.uidl for listed in outcome.listing] == ["same"] * 3


@pytest.mark.parametrize("outcome", ["uidl-long", "uidl-odd"], indirect=True)
def test_an_id_that_breaks_the_rules_becomes_a_short_printable_one(outcome: Outcome) -> None:
    uidl = outcome.listing[0].uidl
    assert uidl is not None
    assert uidl.isprintable()
    assert len(uidl) == 65


@pytest.mark.parametrize("outcome", ["uidl-unknown"], indirect=True)
def test_an_id_for_no_mail_is_passed_over(outcome: Outcome) -> None:
    assert [(one.number, one.uidl) for one in outcome.listing] == [(1, "a"), (2, None), (3, None)]


@pytest.mark.parametrize("outcome", ["retr-refuses"], indirect=True)
def test_D11_refused_mails_are_none(outcome: Outcome) -> None:
    assert outcome.fetched == {1: None, 2: None, 3: None}


@pytest.mark.parametrize("name", ["retr-no-end", "retr-20mb-line"])
def test_the_mail_without_end_is_named(name: str, tmp_path: Path) -> None:
    with scripted(name, MAILS) as server:
        outcome = one_session(server, tmp_path)
    assert outcome.client is not None
    assert outcome.client.too_large == {1}
    assert outcome.fetched == {}


@pytest.mark.parametrize(("name", "can"), [("no-top", False), ("behaves", True)])
def test_whether_top_is_there_is_known(name: str, can: bool, tmp_path: Path) -> None:
    with scripted(name, MAILS) as server:
        outcome = one_session(server, tmp_path)
    assert outcome.client is not None
    assert outcome.client.can_top is can


def test_without_capa_a_refused_top_tells(tmp_path: Path) -> None:
    with scripted("no-capa-uidl-top", MAILS) as server:
        outcome = one_session(server, tmp_path)
    assert outcome.client is not None
    assert not outcome.client.can_top


@pytest.mark.parametrize(
    "outcome",
    ["repeats-the-password", "repeats-the-password-cut", "list-repeats-the-password"],
    indirect=True,
)
def test_a_server_that_repeats_the_password_is_not_repeated(outcome: Outcome) -> None:
    assert outcome.error is not None
    assert "***" in outcome.error.said
    assert SECRET[:5] not in str(outcome.error)


@pytest.mark.slow
def test_what_the_caller_does_with_a_mail_is_not_the_servers_time(tmp_path: Path) -> None:
    patience = Patience(whole_fetch=1.5)
    with scripted("no-pipelining", MAILS) as server:
        client = PopClient.connect(
            server.endpoint(), server.address, patience=patience, bounds=NARROW
        )
        client.sign_in(Password(NAME, SECRET))
        fetched = []
        for number, _ in client.fetch([1, 2, 3], lambda: Spool(tmp_path, 1000)):
            fetched.append(number)
            time.sleep(0.8)
        client.commit()
    assert fetched == [1, 2, 3]


def test_a_rset_that_is_refused_is_followed_by_no_quit(tmp_path: Path) -> None:
    with scripted("rset-refuses", MAILS) as server:
        client = PopClient.connect(server.endpoint(), server.address, patience=CALM, bounds=NARROW)
        client.sign_in(Password(NAME, SECRET))
        assert client.delete([1]) == {1}
        client.roll_back()
    assert "quit" not in server.commands
    assert server.deleted == []
