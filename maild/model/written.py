"""Values as an operator writes them: sizes, times, places to listen at, paths, networks; each read to its type.

Every function raises ValueError with the end of a sentence that begins with the key, and takes any value at all.
A secret that a value may hold (the password in a database's URL) is never repeated.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from typing_extensions import override

from maild.model.address import Address, InvalidAddressError, canonical_domain

TEXT_MAX = 1000
UNIX_PATH_MAX = 107
"""Octets of a unix socket's path: sun_path of unix(7), less its closing NUL."""

_ZONE = re.compile(r"[A-Za-z]{1,20}(?:/[A-Za-z0-9_+-]{1,30}){0,2}", re.ASCII)
_SIZE = re.compile(r"([0-9]{1,15})\s*(B|KiB|MiB|GiB|TiB)?", re.ASCII)
_SIZE_UNITS = {None: 1, "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*(ms|s|min|h|d)", re.ASCII)
_DURATION_UNITS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_FD_NAME = re.compile(r"[A-Za-z0-9._-]{1,255}", re.ASCII)
_POSTGRESQL = re.compile(
    r"postgresql\+psycopg://(?:[^\s/?#@:]+(?::[^\s/?#@]*)?@)?"
    r"(?:[A-Za-z0-9_.%-]+|\[[0-9A-Fa-f:.]+\])?(?::(?P<port>[0-9]{1,5}))?(?:/[^\s?#/]*)?(?:\?[^\s#@]*)?"
)
_SPAM_HEADER = re.compile(r"([!-9;-~]{1,76}):[ \t]*([!-~](?:[ -~]{0,198}[!-~])?)[ \t]*", re.ASCII)
_AUTHSERV_ID = re.compile(r"[!#$%&'*+./0-9A-Z^_`a-z{|}~-]{1,253}", re.ASCII)


@dataclass(frozen=True, slots=True)
class HostPort:
    """A TCP address.  Port 0 lets the kernel choose."""

    host: str
    port: int

    @override
    def __str__(self) -> str:
        """Return it as written in the file."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixSocket:
    """A socket in the file system."""

    path: Path

    @override
    def __str__(self) -> str:
        """Return it as written in the file."""
        return f"unix:{self.path}"


@dataclass(frozen=True, slots=True)
class FdSocket:
    """A socket that systemd opened, by its FileDescriptorName."""

    name: str

    @override
    def __str__(self) -> str:
        """Return it as written in the file."""
        return f"fd:{self.name}"


Bind = HostPort | UnixSocket | FdSocket


@dataclass(frozen=True, slots=True)
class SpamHeader:
    """A field by which an upstream filter calls a mail spam."""

    name: str
    value: str

    @override
    def __str__(self) -> str:
        """Return it as written in the file."""
        return f"{self.name}: {self.value}"


@dataclass(frozen=True, slots=True)
class FileBodies:
    """Large bodies are files in this folder."""

    folder: Path


@dataclass(frozen=True, slots=True)
class S3Bodies:
    """Large bodies are objects in an S3-compatible store."""

    bucket: str
    prefix: str


def shown(value: object) -> str:
    """Make a value fit to be repeated in a sentence, whatever it is."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() if value.bit_length() > 200:
            return "a very large number"
        case str() | int() | float():
            text = str(value)
            clean = "".join(char if char.isprintable() else "�" for char in text[:80])
            return f"“{clean}{'…' if len(text) > 80 else ''}”"
        case list() | tuple():
            return "a list"
        case dict():
            return "a table"
        case _:
            return "a date or time"


def clean_text(value: str) -> str:
    """Refuse control characters, broken Unicode and what is too long."""
    if len(value) > TEXT_MAX:
        raise ValueError(f"is {len(value)} characters long; at most {TEXT_MAX} can be used")
    if any(ord(char) < 32 or ord(char) == 127 or 0xD800 <= ord(char) <= 0xDFFF for char in value):
        raise ValueError("has control characters or broken Unicode, which cannot be used here")
    return value


def text_of(value: object, what: str) -> str:
    """Return the value if it is clean text; `what` says what it should have been."""
    if not isinstance(value, str):
        raise ValueError(f"must be {what}, in quotes; it is {shown(value)}")  # noqa: TRY004
    return clean_text(value)


def size_in_bytes(value: object) -> int:
    """Read '35MiB', '32KiB', '4096'.  Raises ValueError."""
    what = 'must be a size such as "35MiB", "32KiB" or 4096'
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 0:
            raise ValueError(f"{what}; it is negative")
        return value
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{what} (units: B, KiB, MiB, GiB, TiB); it is {shown(value)}")
    return int(match[1]) * _SIZE_UNITS[match[2]]


def duration_in_seconds(value: object) -> float:
    """Read '60s', '15min', '2h', '500ms', '14d'.

    A whole number without unit is refused; a float is seconds already.

    Raises ValueError.
    """
    if isinstance(value, float):
        return value
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        what = 'must be a time with its unit, such as "60s", "15min" or "2h"'
        raise ValueError(f"{what} (units: ms, s, min, h, d); it is {shown(value)}")
    return float(match[1]) * _DURATION_UNITS[match[2]]


def local_path(text: str, folder: Path | None) -> Path:
    """Return the path; a relative one starts at the folder of the file that names it, when that is known."""
    if text.startswith("~"):
        raise ValueError(f"is {shown(text)}, and “~” is not expanded here; write the path in full")
    return Path(text) if folder is None else folder / text


def read_bind(value: object, folder: Path | None = None) -> Bind:
    """Read 'host:port', '[::1]:2525', 'unix:path' or 'fd:name'.  Raises ValueError."""
    if isinstance(value, HostPort | UnixSocket | FdSocket):
        return value
    text = text_of(value, 'an address such as "127.0.0.1:2525", "unix:lmtp.sock" or "fd:smtp"')
    if text.startswith("unix:"):
        return _unix_socket(text.removeprefix("unix:"), folder)
    if text.startswith("fd:"):
        name = text.removeprefix("fd:")
        if not _FD_NAME.fullmatch(name):
            raise ValueError(f"names no socket: {shown(text)}; write fd: and a FileDescriptorName")
        return FdSocket(name)
    return _host_port(text)


def _unix_socket(text: str, folder: Path | None) -> UnixSocket:
    if not text:
        raise ValueError('has no path behind "unix:"; write one, such as "unix:lmtp.sock"')
    path = local_path(text, folder)
    length = len(str(path).encode())
    if length > UNIX_PATH_MAX:
        raise ValueError(
            f"the socket's full path has {length} octets; the system allows {UNIX_PATH_MAX}. "
            "Choose a shorter one"
        )
    return UnixSocket(path)


def _host_port(text: str) -> HostPort:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not re.fullmatch(r"[0-9]{1,5}", port, re.ASCII):
        raise ValueError(
            f"is not an address and a port: {shown(text)}; write one such as "
            '"127.0.0.1:2525", "[::1]:2525", "unix:lmtp.sock" or "fd:smtp"'
        )
    if int(port) > 65535:
        raise ValueError(f"port {port} does not exist; ports end at 65535")
    if host == "*":
        raise ValueError(f'cannot be “*”; write "0.0.0.0:{port}" or "[::]:{port}"')
    if host.startswith("["):
        return HostPort(_ip(host.removeprefix("[").removesuffix("]"), version=6), int(port))
    if ":" in host:
        raise ValueError(f'an IPv6 address stands in brackets: "[{shown(host)[1:-1]}]:{port}"')
    if re.fullmatch(r"[0-9.]+", host, re.ASCII):
        return HostPort(_ip(host, version=4), int(port))
    return HostPort(domain(host), int(port))


def _ip(text: str, *, version: int = 0) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        raise ValueError(f"{shown(text)} is not an IP address") from None
    if version and address.version != version:
        raise ValueError(f"{shown(text)} is not an IPv{version} address")
    return str(address)


def domain(value: object) -> str:
    """Read a domain name to its canonical form, lower-case A-labels."""
    text = text_of(value, "a domain name")
    try:
        return canonical_domain(text)
    except InvalidAddressError as error:
        raise ValueError(str(error)) from None


def ascii_address(value: object) -> str:
    """Read a mail address that every server can take."""
    text = text_of(value, "a mail address")
    try:
        address = Address.parse(text)
    except InvalidAddressError as error:
        raise ValueError(str(error)) from None
    if not address.norm.isascii():
        raise ValueError(f"{shown(value)} is not an address in ASCII, which every server can take")
    return address.norm


def is_this_machine(host: str) -> bool:
    """Whether a server's name can only mean this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def resolver(value: object) -> HostPort:
    """Read the address of a DNS resolver, with or without its port."""
    if isinstance(value, HostPort):
        return value
    text = text_of(value, 'the IP address of a resolver, such as "9.9.9.9" or "127.0.0.1:5353"')
    try:
        return HostPort(_ip(text), 53)
    except ValueError:
        found = _host_port(text)
        return HostPort(_ip(found.host), found.port)


def network(value: object) -> IPv4Network | IPv6Network:
    """Read an IP address or a network; host bits are refused with the network that was meant."""
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    text = text_of(value, 'an IP address or a network, such as "10.0.0.0/8"')
    try:
        return ip_network(text)
    except ValueError:
        pass
    try:
        meant = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(
            f'{shown(text)} is neither an IP address nor a network such as "10.0.0.0/8"'
        ) from None
    raise ValueError(f'{shown(text)} is an address inside a network; the network is "{meant}"')


def authserv_id(value: object) -> str:
    """Read an authserv-id (RFC 8601 2.5), folded to lower case."""
    text = text_of(value, "an authserv-id, such as the host name of your gateway")
    if not _AUTHSERV_ID.fullmatch(text):
        raise ValueError(
            f"{shown(text)} cannot be an authserv-id; take the first word of its Authentication-Results"
        )
    return text.lower()


def spam_header(value: object) -> SpamHeader:
    """Read a field and what it says of spam: "X-Spam-Flag: YES"."""
    if isinstance(value, SpamHeader):
        return value
    text = text_of(value, 'a header field and its value, such as "X-Spam-Flag: YES"')
    found = _SPAM_HEADER.fullmatch(text)
    if found is None:
        raise ValueError(
            f'{shown(text)} is no header field with a value, such as "X-Spam-Flag: YES"'
        )
    return SpamHeader(found[1], found[2])


def database_url(value: object, folder: Path | None) -> str:
    """Read the database's URL.  It may hold a password, so it is never repeated in a sentence."""
    text = text_of(value, "the URL of the database")
    if text.startswith("sqlite:///"):
        return _sqlite(text.removeprefix("sqlite:///"), folder)
    if text.startswith("postgresql+psycopg://"):
        match = _POSTGRESQL.fullmatch(text)
        if match is None or int(match["port"] or 0) > 65535:
            raise ValueError(
                "is not a URL of a database; it looks like "
                "postgresql+psycopg://user:password@host:5432/database, with %40 for an @ in the password"
            )
        return text
    if text.startswith(("postgresql://", "postgres://")):
        raise ValueError('for PostgreSQL the URL begins with "postgresql+psycopg://"')
    raise ValueError(
        'must be "sqlite:///" and a file, or "postgresql+psycopg://user@host/database"'
    )


def _sqlite(text: str, folder: Path | None) -> str:
    name, _, options = text.partition("?")
    if not name or name.startswith(":") or options:
        raise ValueError('for SQLite write "sqlite:///" and the name of a file, nothing more')
    path = str(local_path(name, folder))
    if "?" in path:
        raise ValueError("the folder of the database has a “?” in its name, which no URL can hold")
    return f"sqlite:///{path}"


def body_place(value: object, folder: Path | None) -> FileBodies | S3Bodies:
    """Read where large bodies go."""
    if isinstance(value, FileBodies | S3Bodies):
        return value
    text = text_of(value, 'a place such as "file:bodies"')
    if text.startswith("file:") and (name := text.removeprefix("file:")):
        return FileBodies(local_path(re.sub(r"\A//(?=/)", "", name), folder))
    if text.startswith("s3://"):
        bucket, _, prefix = text.removeprefix("s3://").partition("/")
        if re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", bucket, re.ASCII):
            return S3Bodies(bucket, prefix.strip("/"))
    raise ValueError(f'must be "file:" and a folder, or "s3://bucket/prefix"; it is {shown(text)}')


def timezone(value: object) -> str:
    """Read the name of a time zone; whether there is one of that name, who uses it finds out."""
    text = text_of(value, "the name of a time zone, such as Europe/Berlin")
    if not _ZONE.fullmatch(text):
        raise ValueError(
            f"must be the name of a time zone, such as Europe/Berlin; it is {shown(text)}"
        )
    return text


def public_url(value: object) -> str:
    """Read the URL that people use; empty stays empty."""
    text = text_of(value, "a URL such as “https://mail.example.com”")
    if not text:
        return text
    if not _is_plain_url(text):
        raise ValueError(
            f'must be a plain URL such as "https://mail.example.com"; it is {shown(text)}'
        )
    return text.rstrip("/")


def _is_plain_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        has_place = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    plain = not (parts.query or parts.fragment or parts.username) and " " not in text
    return has_place and plain and parts.scheme in {"http", "https"}
