"""What an operator may set: every key of maild.toml, its type, its default and what it is for.

The settings say what the machine is; the database says what the business is, and nothing is in both.  Defaults are
written as in the file and pass the same checks.  Reads no file, no environment and no clock; `config` does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
    model_validator,
)

from maild.model import written
from maild.model.written import Bind, FdSocket, FileBodies, HostPort, S3Bodies, UnixSocket

__all__ = [
    "Bind",
    "FdSocket",
    "FileBodies",
    "HostPort",
    "S3Bodies",
    "SecretSource",
    "Settings",
    "UnixSocket",
]


def _size_between(low: str, high: str) -> Callable[[object], int]:
    def check(value: object) -> int:
        size = written.size_in_bytes(value)
        if not written.size_in_bytes(low) <= size <= written.size_in_bytes(high):
            raise ValueError(f"must be between {low} and {high}; it is {written.shown(value)}")
        return size

    return check


def _duration_between(low: str, high: str) -> Callable[[object], float]:
    def check(value: object) -> float:
        seconds = written.duration_in_seconds(value)
        if not written.duration_in_seconds(low) <= seconds <= written.duration_in_seconds(high):
            raise ValueError(f"must be between {low} and {high}; it is {written.shown(value)}")
        return seconds

    return check


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSource:
    """Where a secret is to be had; the secret itself is never a setting.  At most one is set."""

    file: Path | None
    command: tuple[str, ...]
    credential: str

    @property
    def is_set(self) -> bool:
        """Whether there is a secret at all."""
        return bool(self.file or self.command or self.credential)


def _folder(info: ValidationInfo) -> Path | None:
    return (info.context or {}).get("folder")


def _local_path(value: object, info: ValidationInfo) -> Path | None:
    if isinstance(value, Path):
        return value
    text = written.text_of(value, "the path of a file")
    return written.local_path(text, _folder(info)) if text else None


def _hostname(value: object, info: ValidationInfo) -> str:
    if value == "":
        return str((info.context or {}).get("hostname", ""))
    return written.domain(value)


def _bind(value: object, info: ValidationInfo) -> Bind:
    return written.read_bind(value, _folder(info))


def _optional_bind(value: object, info: ValidationInfo) -> Bind | None:
    return None if value is None or value == "" else _bind(value, info)


def _database(value: object, info: ValidationInfo) -> str:
    return written.database_url(value, _folder(info))


def _bodies(value: object, info: ValidationInfo) -> FileBodies | S3Bodies:
    return written.body_place(value, _folder(info))


def _host(value: object) -> str:
    return "" if value == "" else written.domain(value)


def _from_address(value: object) -> str:
    return "" if value == "" else written.ascii_address(value)


def _issuer(value: object) -> str:
    # Compared to the letter with what the provider says: a slash at its end is part of it (OIDC Discovery 4.3).
    written.public_url(value)
    return written.text_of(value, "a URL such as “https://accounts.example.com”")


def _as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


Text = Annotated[str, AfterValidator(written.clean_text)]
LocalPath = Annotated[Path | None, PlainValidator(_local_path)]
Domain = Annotated[str, BeforeValidator(written.domain)]
Network = Annotated[IPv4Network | IPv6Network, PlainValidator(written.network)]
Resolver = Annotated[HostPort, PlainValidator(written.resolver)]
SpamField = Annotated[written.SpamHeader, PlainValidator(written.spam_header)]
AuthservId = Annotated[str, BeforeValidator(written.authserv_id)]
Port = Annotated[int, Field(ge=1, le=65535)]
AsTuple = BeforeValidator(_as_tuple)


def key(default: object, about: str) -> Any:
    """Describe a key: its default as written in the file, and what it is for, for an operator."""
    return Field(default=default, description=about)


def section() -> Any:
    """Describe a table, which may be left out."""
    return Field(default_factory=dict)


class _Section(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, validate_default=True, hide_input_in_errors=True
    )


class StoreSettings(_Section):
    """`[store]`: where the bytes of mail lie."""

    inline_max: Annotated[int, BeforeValidator(_size_between("0B", "1MiB"))] = key(
        "128KiB", "Bodies up to this size lie in the database, larger ones in `bodies`."
    )
    bodies: Annotated[FileBodies | S3Bodies, PlainValidator(_bodies)] = key(
        "file:bodies", 'Where larger bodies go: "file:FOLDER" or "s3://bucket/prefix".'
    )
    reserve: Annotated[int, BeforeValidator(_size_between("0B", "1024TiB"))] = key(
        "1GiB", "With less free space than this, mail is answered 452: try again later."
    )


class ListenerSettings(_Section):
    """`[[listener]]`: one door for SMTP or LMTP; repeat the table for more."""

    protocol: Literal["smtp", "lmtp"] = key(
        "smtp", "smtp or lmtp (one answer for each recipient; for an MTA in front)."
    )
    bind: Annotated[Bind, PlainValidator(_bind)] = key(
        "127.0.0.1:2525",
        'Where to listen: "ADDR:PORT", "unix:PATH", or "fd:NAME" (socket activation).',
    )
    tls_cert: LocalPath = key("", "Certificate chain, PEM; empty: no TLS.")
    tls_key: LocalPath = key("", "Private key of the certificate, PEM.")
    tls: Literal["none", "starttls", "implicit"] = key(
        "starttls", "none, starttls (offered where there is a certificate) or implicit."
    )
    auth: bool = key(False, "Offer SMTP AUTH, inside TLS only.")
    authenticated_for: Annotated[tuple[Domain, ...], AsTuple] = key(
        [],
        "This listener carries only mail of authenticated users of these domains: From counts as proven.",
    )
    relays: Annotated[tuple[Network, ...], AsTuple] = key(
        ["127.0.0.1", "::1"], "Peers exempt from the limits per address: IP addresses and networks."
    )
    proxy_protocol: bool = key(
        False,
        "Peers in `relays` are balancers, which must begin with a PROXY header (v1, v2); limits see who is behind.",
    )
    trusted_authserv_ids: Annotated[tuple[AuthservId, ...], AsTuple] = key(
        [], "Whose topmost Authentication-Results count on this listener."
    )
    spam_headers: Annotated[tuple[SpamField, ...], AsTuple, Field(max_length=100)] = key(
        [],
        'What the filter in front writes on spam, such as "X-Spam-Flag: YES": it is kept, and put aside.',
    )
    max_size: Annotated[int, BeforeValidator(_size_between("1KiB", "1GiB"))] = key(
        "35MiB", "Largest mail taken; more is refused with 552."
    )
    max_connections: Annotated[int, Field(ge=1, le=100_000)] = key(
        1000, "Sessions at a time; more hear 421."
    )
    max_per_address: Annotated[int, Field(ge=1, le=100_000)] = key(
        20, "Sessions at a time from one address that is not in `relays`."
    )
    max_rate_per_address: Annotated[int, Field(ge=1, le=1_000_000)] = key(
        600,
        "Connections a minute from one address (IPv6: one /64) that is not in `relays`; more hear 421.",
    )
    idle_timeout: Annotated[float, BeforeValidator(_duration_between("100ms", "1h"))] = key(
        "60s", "How long a peer may be silent."
    )
    data_timeout: Annotated[float, BeforeValidator(_duration_between("100ms", "1d"))] = key(
        "15min", "How long one mail may take to arrive."
    )
    session_timeout: Annotated[float, BeforeValidator(_duration_between("100ms", "1d"))] = key(
        "10min",
        "How long a session may bring no mail, be it a relay's; then 421, and the peer may come back.",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            lacking = "tls_key" if self.tls_key is None else "tls_cert"
            raise ValueError(f"tls_cert and tls_key belong together; {lacking} is missing")
        if self.tls == "implicit" and self.tls_cert is None:
            raise ValueError('tls = "implicit" needs tls_cert and tls_key')
        if self.proxy_protocol and not self.relays and not isinstance(self.bind, UnixSocket):
            raise ValueError("proxy_protocol = true needs the addresses of the balancers in relays")
        if self.auth and (self.tls == "none" or self.tls_cert is None):
            raise ValueError("auth = true needs TLS: set tls_cert and tls_key")
        if self.auth and self.protocol == "lmtp":
            raise ValueError("auth = true is for smtp; nobody signs in over lmtp")
        if self.protocol == "lmtp" and isinstance(self.bind, HostPort) and self.bind.port == 25:
            raise ValueError("LMTP must not be on port 25 (RFC 2033 5); take another, such as 24")
        return self


class AuthSettings(_Section):
    """`[auth]`: how the sender of a mail is proven."""

    dns: Annotated[tuple[Resolver, ...], AsTuple] = key(
        [], "Resolvers to ask, IP or IP:PORT; empty: the system's."
    )
    dns_timeout: Annotated[float, BeforeValidator(_duration_between("100ms", "1min"))] = key(
        "5s", "How long DNS may take for one mail."
    )
    trusted_arc_sealers: Annotated[tuple[Domain, ...], AsTuple] = key(
        [], "Domains whose ARC seals are believed."
    )


class RelaySettings(_Section):
    """`[relay]`: the server that outgoing mail is handed to."""

    host: Annotated[str, BeforeValidator(_host)] = key("", "The server; empty: nothing is sent.")
    port: Port = key(587, "Its port.")
    tls: Literal["none", "starttls", "implicit"] = key("starttls", "none, starttls or implicit.")
    username: Text = key("", "The user name to sign in with; empty: no sign-in.")
    password_file: LocalPath = key("", "A file that holds the password.")
    password_command: Annotated[tuple[Text, ...], AsTuple] = key(
        [], "Or a command that prints it, as a list; no shell."
    )
    password_credential: Text = key("", "Or the name of a systemd credential (LoadCredential=).")
    ca_file: LocalPath = key(
        "", "Whom to trust for the relay's certificate, PEM; empty: whom the system trusts."
    )
    from_address: Annotated[str, BeforeValidator(_from_address)] = key(
        "", "Who mails are from; empty: maild@HOSTNAME."
    )
    from_name: Text = key("maild", "The name beside it.")
    timeout: Annotated[float, BeforeValidator(_duration_between("100ms", "5min"))] = key(
        "60s", "How long the relay may take to answer a connection or a command."
    )
    data_timeout: Annotated[float, BeforeValidator(_duration_between("100ms", "30min"))] = key(
        "10min",
        "How long it may take to answer for a mail; one that is given up too early is sent twice.",
    )

    @property
    def password(self) -> SecretSource:
        """Where the password is."""
        return SecretSource(
            file=self.password_file,
            command=self.password_command,
            credential=self.password_credential,
        )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        secret = self.password
        _one_source(secret, "password")
        if secret.is_set and not self.username:
            raise ValueError("there is a password but no username")
        if self.username and self.tls == "none" and not written.is_this_machine(self.host):
            raise ValueError(
                'tls = "none" would send the password in clear to another machine; take starttls or implicit'
            )
        return self


class DigestSettings(_Section):
    """`[digest]`: the daily digest; each account says when it is sent: `maild account set SLUG digest=07:00`."""

    timezone: Annotated[str, BeforeValidator(written.timezone)] = key(
        "UTC", "By whose clock it is sent, such as Europe/Berlin."
    )


class WorkersSettings(_Section):
    """`[workers]`: the processes that read mail."""

    processes: Annotated[int, Field(ge=0, le=256)] = key(
        0, "How many processes read mail; 0: by the number of cores."
    )


class SourcesSettings(_Section):
    """`[sources]`: collecting mail from IMAP and POP servers."""

    allow_networks: Annotated[tuple[Network, ...], AsTuple] = key(
        [], "Private networks that sources may connect to; loopback, too, must be named."
    )
    concurrency: Annotated[int, Field(ge=1, le=10_000)] = key(
        200, "Sources that are polled at a time."
    )
    max_size: Annotated[int, BeforeValidator(_size_between("1KiB", "1GiB"))] = key(
        "35MiB", "Largest mail taken whole; of a larger one the header alone is taken."
    )
    connect_timeout: Annotated[float, BeforeValidator(_duration_between("100ms", "10min"))] = key(
        "20s", "How long a server may take to answer a connection."
    )
    command_timeout: Annotated[float, BeforeValidator(_duration_between("100ms", "1h"))] = key(
        "60s", "How long a server may be silent, or take for one command."
    )
    fetch_timeout: Annotated[float, BeforeValidator(_duration_between("100ms", "1d"))] = key(
        "15min", "How long one batch of mails, or one large mail, may take."
    )
    lease: Annotated[float, BeforeValidator(_duration_between("1s", "1h"))] = key(
        "90s", "After this silence of a node, another takes over its sources."
    )


class WebhooksSettings(_Section):
    """`[webhooks]`: telling other programs what happens; each account says whom: `maild webhook add URL`."""

    allow_networks: Annotated[tuple[Network, ...], AsTuple] = key(
        [],
        "Private networks that webhooks may point into, with http as well; loopback, too, must be named.",
    )


class WebSettings(_Section):
    """`[web]`: mail by HTTP, and the API (pages follow)."""

    bind: Annotated[Bind | None, PlainValidator(_optional_bind)] = key(
        "127.0.0.1:8025", "Where to listen; empty: nowhere."
    )
    public_url: Annotated[str, BeforeValidator(written.public_url)] = key(
        "", "The URL that people use, for links in mail."
    )
    proxies: Annotated[tuple[Network, ...], AsTuple] = key(
        ["127.0.0.1", "::1"],
        "Whose X-Forwarded-For says who asks: the servers in front that speak HTTPS; each must add the peer it sees.",
    )


class TermsSettings(_Section):
    """`[terms]`: the terms of service that people accept before they work; their version and time are kept."""

    version: Text = key("", "Which version counts, such as 2026-11; empty: nothing is asked.")
    url: Annotated[str, BeforeValidator(written.public_url)] = key("", "Where they can be read.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.version and not self.url:
            raise ValueError("there is a version but no url where people read it")
        return self


class OidcSettings(_Section):
    """`[[oidc]]`: a provider that people sign in with (OpenID Connect); repeat the table for more."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")] = key(
        "", "A short name for addresses of pages, such as google."
    )
    issuer: Annotated[str, BeforeValidator(_issuer)] = key(
        "", "The provider's issuer URL, as its discovery document says it."
    )
    client_id: Text = key("", "What the provider calls this installation.")
    client_secret_file: LocalPath = key("", "A file that holds the client's secret.")
    client_secret_command: Annotated[tuple[Text, ...], AsTuple] = key(
        [], "Or a command that prints it, as a list; no shell."
    )
    client_secret_credential: Text = key(
        "", "Or the name of a systemd credential (LoadCredential=)."
    )
    ca_file: LocalPath = key(
        "", "Whom to trust for the provider's certificate, PEM; empty: whom the system trusts."
    )
    timeout: Annotated[float, BeforeValidator(_duration_between("100ms", "1min"))] = key(
        "10s", "How long the provider may take for one sign-in."
    )

    @property
    def client_secret(self) -> SecretSource:
        """Where the client's secret is."""
        return SecretSource(
            file=self.client_secret_file,
            command=self.client_secret_command,
            credential=self.client_secret_credential,
        )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        _one_source(self.client_secret, "client_secret")
        if not self.issuer or not self.client_id:
            raise ValueError("a provider needs its issuer and the client_id that it gave")
        parts = urlsplit(self.issuer)
        if parts.scheme != "https" and not written.is_this_machine(parts.hostname or ""):
            raise ValueError("the issuer must be an https URL; whoever is on the way could sign in")
        return self


class MetricsSettings(_Section):
    """`[metrics]`: figures for Prometheus."""

    bind: Annotated[Bind | None, PlainValidator(_optional_bind)] = key(
        "", "Where to listen; empty: no metrics."
    )


class LogSettings(_Section):
    """`[log]`: what is told on stderr."""

    level: Literal["debug", "info", "warning", "error"] = key(
        "info", "debug, info, warning or error."
    )
    format: Literal["auto", "console", "logfmt", "json"] = key(
        "auto", "console, logfmt, json; auto: console on a terminal, else logfmt."
    )


class LimitsSettings(_Section):
    """`[limits]`: what one mail may cost; beyond it the mail is kept whole and what could not be read is marked."""

    recipients: Annotated[int, Field(ge=1, le=10_000)] = key(
        100, "Recipients of one mail at a door (RFC 5321 4.5.3.1.8: at least 100)."
    )
    reading_time: Annotated[float, BeforeValidator(_duration_between("1s", "10min"))] = key(
        "10s", "Time to read one mail."
    )


class Settings(_Section):
    """The whole file."""

    database: Annotated[str, BeforeValidator(_database)] = Field(
        default="sqlite:///maild.db",
        description='"sqlite:///FILE" or "postgresql+psycopg://user@host/database".',
        repr=False,
    )
    hostname: Annotated[str, BeforeValidator(_hostname)] = key(
        "", "Name in banner, EHLO and our Authentication-Results; empty: the machine's own."
    )
    secret_key_file: LocalPath = key(
        "maild.key", "A file whose content seals passwords and tokens of sources."
    )
    secret_key_command: Annotated[tuple[Text, ...], AsTuple] = key(
        [], "Or a command that prints it, as a list; no shell."
    )
    secret_key_credential: Text = key("", "Or the name of a systemd credential (LoadCredential=).")
    store: StoreSettings = section()
    listener: Annotated[tuple[ListenerSettings, ...], AsTuple, Field(max_length=100)] = key(
        [{}],
        "The doors; without any such table one SMTP door on loopback, with `listener = []` none.",
    )
    auth: AuthSettings = section()
    relay: RelaySettings = section()
    digest: DigestSettings = section()
    workers: WorkersSettings = section()
    sources: SourcesSettings = section()
    webhooks: WebhooksSettings = section()
    web: WebSettings = section()
    terms: TermsSettings = section()
    oidc: Annotated[tuple[OidcSettings, ...], AsTuple, Field(max_length=20)] = key(
        [], "The providers that people sign in with; without any such table there are none."
    )
    metrics: MetricsSettings = section()
    log: LogSettings = section()
    limits: LimitsSettings = section()

    @property
    def secret_key(self) -> SecretSource:
        """Where the sealing key is; a command or credential stands in for the default file."""
        elsewhere = bool(self.secret_key_command or self.secret_key_credential)
        return SecretSource(
            file=None if elsewhere else self.secret_key_file,
            command=self.secret_key_command,
            credential=self.secret_key_credential,
        )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        _one_source(self.secret_key, "secret_key")
        taken: dict[str, str] = {}
        for key, bind in self._binds():
            if isinstance(bind, HostPort) and bind.port == 0:
                continue
            if str(bind) in taken:
                raise ValueError(f"{taken[str(bind)]} and {key} have the same bind: {bind}")
            taken[str(bind)] = key
        names = [provider.name for provider in self.oidc]
        if len(set(names)) != len(names):
            raise ValueError(f"two [[oidc]] tables have the same name: {', '.join(names)}")
        return self

    def _binds(self) -> list[tuple[str, Bind]]:
        named: list[tuple[str, Bind | None]] = [
            (f"listener.{index}", listener.bind) for index, listener in enumerate(self.listener)
        ]
        named += [("web", self.web.bind), ("metrics", self.metrics.bind)]
        return [(key, bind) for key, bind in named if bind is not None]


def _one_source(secret: SecretSource, stem: str) -> None:
    if sum(map(bool, (secret.file, secret.command, secret.credential))) > 1:
        raise ValueError(f"only one of {stem}_file, {stem}_command, {stem}_credential may be set")
