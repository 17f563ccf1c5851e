"""A whole round against a script, then one against the same server in health: what came of both.

`python -m tests.rounds.outcomes FILE` writes the table of all scripts: script | trouble | sentence.
It must never judge by what the round says of itself: the store and the server are asked.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from sqlalchemy import text

from maild.config import load
from maild.core import collect
from maild.core.app import OPERATOR, App, open_app
from maild.core.collect import Claim
from maild.core.doctor import examine
from maild.core.remote import RemoteError
from maild.core.seal import seal
from maild.core.source_words import sentence
from maild.core.sources import NewSource, add_source, set_source, source_row
from maild.daemon.lines import Lines
from maild.daemon.rounds import Rounds
from maild.model.source import SignIn, SourceKind
from maild.settings import Settings
from maild.store import migrate
from maild.store.store import Store
from maild.testing.issuer import Issuer
from tests.core.company import a_company
from tests.rounds.scripted import CASES, Case, ScriptedServer, issuer_of

AT_A_TIME = 6
"""Most scripts are silent, so that rounds against several go well together."""
IDLE_S = 0.3
_SETTINGS = """\
database = "sqlite:///maild.db"
[store]
reserve = "0B"
[sources]
allow_networks = ["127.0.0.0/8"]
max_size = "4MiB"
"""
_HASTY = 'connect_timeout = "800ms"\ncommand_timeout = "800ms"\nfetch_timeout = "1500ms"\n'
_PATIENT = 'connect_timeout = "20s"\ncommand_timeout = "20s"\nfetch_timeout = "30s"\n'


@dataclass
class Outcome:
    """What came of a script."""

    case: Case
    error: RemoteError | None = None
    sentence: str = ""
    """What the admin reads."""
    seconds: float = 0.0
    growth_kib: int = 0
    """By how much this process grew; it says something only of a round that was alone."""
    gone_unstored: list[bytes] = field(default_factory=list)
    """Mails that the server had no more after the bad round, and that were not here."""
    arrivals: Counter[str] = field(default_factory=Counter)
    """How often each content has come in when all is over, by digest."""
    may_not: list[str] = field(default_factory=list)
    spooled: list[str] = field(default_factory=list)
    """What lay in the spool after the bad round."""
    broken: tuple[object, ...] = ()
    """What doctor finds."""

    @property
    def trouble(self) -> str:
        return "" if self.error is None else self.error.trouble.value

    def line(self) -> str:
        """A line of the table."""
        return f"{self.case.name} | {self.trouble or 'none: the round goes well'} | {self.sentence}"


@contextmanager
def a_database() -> Generator[Path]:
    """Make a database with the company in it, to be copied for each script."""
    with tempfile.TemporaryDirectory(prefix="maild-test-", dir="/tmp") as folder:
        store = Store(f"sqlite:///{folder}/maild.db", Path(folder) / "bodies")
        migrate.upgrade(store.database)
        a_company(App(store=store))
        store.close()
        yield Path(folder) / "maild.db"


class Trial:
    """One script, an installation of its own, and one source."""

    def __init__(self, case: Case, folder: Path, database: Path) -> None:
        self.case = case
        shutil.copy(database, folder / "maild.db")
        self._hasty = self._settings(folder, "hasty", _HASTY)
        self._patient = self._settings(folder, "patient", _PATIENT)
        self.app = open_app(self._hasty)
        (folder / "password").write_text(f"{case.secret}\n", encoding="utf-8")
        (folder / "password").chmod(0o600)
        self._folder = folder

    def _settings(self, folder: Path, name: str, timeouts: str) -> Settings:
        (folder / "maild.key").touch(0o600)
        (folder / "maild.key").write_text("k" * 43, encoding="ascii")
        (folder / f"{name}.toml").write_text(_SETTINGS + timeouts, encoding="utf-8")
        return load(folder / f"{name}.toml", {})

    def add(self, server: ScriptedServer, issuer: Issuer | None) -> None:
        """Connect the mailbox."""
        options = {"ref": str(self._folder / "password")}
        key = Lines(self.app, self._hasty).sealing_key()
        if issuer is not None:
            options = {"token_uri": f"{issuer.url}/token", "client_id": "maild"}
        new = NewSource(
            name="box",
            kind=self.case.kind,
            host="localhost",
            port=server.port,
            tls=server.tls,
            ca_file=server.ca_file,
            username=self.case.username,
            inbox="info@acme.example",
            sign_in=SignIn.FILE if issuer is None else SignIn.REFRESH,
            options=options,
            sealed=None if issuer is None else lambda bound: seal(key, "a refresh token", bound),
            after=self.case.after,
            since=self.case.since,
            every="1h",
        )
        add_source(self.app, new, by=OPERATOR)

    def round(self, *, is_patient: bool = False) -> None:
        """Do a round as the daemon does.  Raises RemoteError."""
        source = source_row(self.app, "box", by=OPERATOR)
        claim = collect.claim(self.app, source, "test", timedelta(hours=1))
        assert claim is not None

        async def gone() -> None:
            lines = Lines(self.app, self._patient if is_patient else self._hasty)
            try:
                await (_imap if source.kind is SourceKind.IMAP else _pop)(self.app, lines, claim)
            finally:
                lines.close()

        try:
            asyncio.run(gone())
        finally:
            collect.give_up(self.app, claim)

    def sentence(self, error: RemoteError) -> str:
        source = source_row(self.app, "box", by=OPERATOR)
        return sentence(source, error.trouble, error.said)

    def move_to(self, server: ScriptedServer) -> None:
        """The server is elsewhere from now on."""
        changes = {"port": str(server.port), "tls": server.tls.value, "ca_file": server.ca_file}
        set_source(self.app, "box", changes, by=OPERATOR)

    def arrivals(self) -> Counter[str]:
        with self.app.store.read() as tx:
            rows = tx.connection.execute(
                text("SELECT m.digest FROM arrivals a JOIN messages m ON m.id = a.message_id")
            )
            return Counter(row.digest for row in rows)

    def spooled(self) -> list[str]:
        tmp = self.app.store.bodies.tmp
        return [path.name for path in tmp.iterdir()] if tmp.exists() else []


async def _imap(app: App, lines: Lines, claim: Claim) -> None:
    """A round on a line that idles afterwards."""
    client = await lines.imap(claim.source)
    try:
        await Rounds(app, lines).poll_on(client, claim, lambda _: None, is_full=True)
        await client.idle(IDLE_S)
        await client.logout()
    finally:
        client.close()


async def _pop(app: App, lines: Lines, claim: Claim) -> None:
    await Rounds(app, lines).poll(claim, lambda _: None)


def outcome_of(case: Case, database: Path) -> Outcome:
    """Do the bad round, then the good one.  Whatever is not RemoteError passes through: it is a fault of ours."""
    folder = Path(tempfile.mkdtemp(prefix="maild-test-", dir="/tmp"))
    server, issuer = case.serve(), issuer_of(case.secret) if case.takes_token else None
    started: list[Callable[[], None]] = []
    try:
        for each in (server, issuer):
            if each is not None:
                each.start()
                started.append(each.stop)
        trial = Trial(case, folder, database)
        started.append(trial.app.store.close)
        trial.add(server, issuer)
        outcome = Outcome(case)
        _bad_round(trial, server, outcome)
        if not server.heal():
            twin = server.healthy_twin()
            twin.start()
            started.append(twin.stop)
            trial.move_to(twin)
        trial.round(is_patient=True)
        outcome.arrivals = trial.arrivals()
        outcome.may_not = server.may_not
        outcome.broken = examine(trial.app).broken
        return outcome
    finally:
        for stop in reversed(started):
            stop()
        shutil.rmtree(folder, ignore_errors=True)


def _bad_round(trial: Trial, server: ScriptedServer, outcome: Outcome) -> None:
    _forget_peak()
    before, began = _peak_kib(), time.monotonic()
    try:
        trial.round()
    except RemoteError as error:
        outcome.error = error
        outcome.sentence = trial.sentence(error)
    outcome.seconds = time.monotonic() - began
    outcome.growth_kib = _peak_kib() - before
    outcome.spooled = trial.spooled()
    stored, left = trial.arrivals(), server.left()
    outcome.gone_unstored = [
        mail for mail in outcome.case.mails() if mail not in left and not stored[digest_of(mail)]
    ]


def digest_of(mail: bytes) -> str:
    return hashlib.sha256(mail).hexdigest()


def _peak_kib() -> int:
    """Return the most memory that this process had since `_forget_peak`."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1])
    raise AssertionError("no VmHWM")


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def outcomes(cases: Iterable[Case] = CASES.values()) -> list[Outcome]:
    """Send a round against each script."""
    with a_database() as database, ThreadPoolExecutor(AT_A_TIME) as pool:
        return list(pool.map(lambda case: outcome_of(case, database), cases))


def write_table(path: Path) -> None:
    """Write the table of all scripts."""
    lines = ["script | trouble | sentence", *(one.line() for one in outcomes())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_table(Path(sys.argv[1]))
