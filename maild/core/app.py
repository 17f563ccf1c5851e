"""What every use case needs: the store, a clock, and a maker of names."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from maild.config import ConfigError
from maild.config.problem import cause, printable
from maild.core.seal import SealingKey, read_sealing_key
from maild.core.verdicts import Prover
from maild.model.clock import Clock, Ids, new_ulid, system_clock
from maild.model.written import FileBodies
from maild.settings import Settings, TermsSettings
from maild.store.migrate import NEWEST, current, require_newest, upgrade
from maild.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """Handed to every public function of core; never a global."""

    store: Store
    clock: Clock = system_clock
    ids: Ids = new_ulid
    key: SealingKey | None = None
    """What seals secrets; None where there is none, and so no secrets."""
    prover: Prover | None = None
    """What verifies mails by their signatures; None: nothing is verified."""
    public_url: str = ""
    """Where people reach the pages, for links in mails; empty: a mail tells what stands in its link by itself."""
    has_relay: bool = False
    """Whether mail can go out; without a relay, people are told by whoever acts."""
    fetch_max: int = 35 * 1024 * 1024
    """Octets of the largest mail that a source takes whole."""
    hook_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Private networks that webhooks may point into; the operator's word."""
    terms: TermsSettings = field(default_factory=TermsSettings)
    """The terms of service that people accept; without a version none are asked for."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something: a user, or the operator (None), who runs the command line."""

    user_id: int | None = None
    account_id: int | None = None
    """The one account that is open to the actor, as by a token for it; None: every account that is the actor's."""
    shut: frozenset[int] = frozenset()
    """Accounts of the actor's that ask for a login of their own, which this is not (U9)."""
    is_program: bool = False
    """Whether a token speaks, and nobody who has signed in."""
    opened_by: str = field(default="", compare=False, repr=False)
    """The token or session that let the actor in, for what outlasts one request; empty: nothing that could end."""
    only_reads: bool = False
    """Whether nothing may be changed, as by a token that is there for reading."""

    @property
    def is_operator(self) -> bool:
        """Whether the whole installation is open to the actor."""
        return self.user_id is None and self.account_id is None


OPERATOR = Actor()


def open_app(settings: Settings) -> App:
    """Open the installation that the settings describe.

    Raises SchemaError (with the remedy), DurabilityError, ConfigError, StoreDownError.
    """
    app = App(
        store=_store(settings),
        key=_key(settings),
        prover=Prover(settings.auth),
        public_url=settings.web.public_url,
        has_relay=bool(settings.relay.host),
        fetch_max=settings.sources.max_size,
        hook_networks=settings.webhooks.allow_networks,
        terms=settings.terms,
    )
    try:
        require_newest(app.store.database)
    except BaseException:
        app.store.close()
        raise
    return app


def _key(settings: Settings) -> SealingKey | None:
    """Return the installation's key; who needs one that is not there says so then."""
    try:
        return read_sealing_key(settings.secret_key, os.environ)
    except ConfigError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaState:
    """Which schema the database has, and which one this version needs."""

    database: str
    """sqlite or postgresql; never the URL, which may hold a password."""
    current: str | None
    needed: str
    up_to_date: bool


def upgrade_schema(settings: Settings) -> SchemaState:
    """Create the schema, or run the missing migrations in one transaction.  Safe to repeat.  Raises as `open_app`."""
    store = _store(settings)
    try:
        upgrade(store.database)
        return _state(store)
    finally:
        store.close()


def schema_state(settings: Settings) -> SchemaState:
    """Return how the schema stands.  Reads only.  Raises as `open_app`, but for SchemaError."""
    store = _store(settings)
    try:
        return _state(store)
    finally:
        store.close()


def _state(store: Store) -> SchemaState:
    found, needed = current(store.database), NEWEST
    return SchemaState(
        database="sqlite" if store.database.is_sqlite else "postgresql",
        current=found,
        needed=needed,
        up_to_date=found == needed,
    )


def _store(settings: Settings) -> Store:
    place = settings.store.bodies
    if not isinstance(place, FileBodies):
        raise ConfigError(["store.bodies: this version keeps bodies in a folder only: file:PATH"])
    try:
        return Store(settings.database, place.folder, settings.store.inline_max)
    except ModuleNotFoundError as error:
        raise ConfigError(
            [
                f"database: the driver {error.name} is not installed; for PostgreSQL: pip install 'maild[postgresql]'"
            ]
        ) from None
    except OSError as error:
        raise ConfigError(
            [f"store.bodies: {printable(place.folder)} cannot be used: {cause(error)}"]
        ) from None
