"""Sealing: secrets of sources as they lie in the database, closed with the installation's key (D7, T16).

A sealed secret opens only for what it was sealed for: the account, the source, its host, port, user and TLS mode.  Who
changes one of them, in maild or in the database, has no secret any more.  Neither key nor secret is ever told in an
error or shown by `repr`.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from maild.config.problem import ConfigError
from maild.config.secret import read_secret
from maild.settings import SecretSource

KEY_MIN = 32
"""Characters that a key's text has at least; 32 letters of chance carry more than 128 bits."""
_VERSION = "v1"
_NONCE = 12
_TAG = 16


class SealError(Exception):
    """A sealed secret does not open; it must be entered anew."""


class OtherKeyError(SealError):
    """It was sealed with a key that is not this one."""


class BrokenSealError(SealError):
    """It was changed, or sealed for another host, port, user or TLS mode; which of them cannot be known."""


@dataclass(frozen=True, slots=True)
class SealingKey:
    """The installation's key."""

    id: str
    """Tells keys apart, and says nothing about them."""
    _cipher: AESGCM = field(repr=False, compare=False)
    _lookup: bytes = field(repr=False, compare=False)

    @classmethod
    def of(cls, text: str) -> SealingKey:
        """Return the key that a text of chance stands for.  Raises ValueError if it is too short to be one."""
        material = text.strip()
        if len(material) < KEY_MIN:
            raise ValueError(f"is shorter than {KEY_MIN} characters")
        return cls(
            _derived(material, b"maild seal id", 4).hex(),
            AESGCM(_derived(material, b"maild seal key", 32)),
            _derived(material, b"maild lookup key", 32),
        )

    def lookup(self, secret: str) -> str:
        """Return what finds a secret in the database and is worth nothing without this key."""
        return hmac.new(self._lookup, secret.encode(), "sha256").hexdigest()


def read_sealing_key(source: SecretSource, env: Mapping[str, str]) -> SealingKey:
    """Return the key from where `secret_key` says it is.  Raises ConfigError, which says how to make one."""
    try:
        return SealingKey.of(read_secret(source, "secret_key", env))
    except ConfigError as error:
        problems = error.problems
    except ValueError as error:
        problems = (f"secret_key: {error}",)
    raise ConfigError(f"{problem}; {_remedy(source)}" for problem in problems)


def seal(key: SealingKey, plaintext: str, bound_to: Sequence[str]) -> str:
    """Return the secret, sealed; it opens with this key and for the same `bound_to` alone."""
    # Chance from the system: a nonce that came twice under one key would open both secrets.
    nonce = os.urandom(_NONCE)
    closed = key._cipher.encrypt(nonce, plaintext.encode(), _bound(key.id, bound_to))  # noqa: SLF001  # of this module
    return f"{_VERSION}:{key.id}:{base64.urlsafe_b64encode(nonce + closed).decode()}"


def unseal(key: SealingKey, sealed: str, bound_to: Sequence[str]) -> str:
    """Return the secret.  Raises OtherKeyError, BrokenSealError."""
    key_id, raw = _taken_apart(sealed)
    if key_id != key.id:
        raise OtherKeyError(f"it was sealed with the key {key_id}; secret_key is {key.id}")
    try:
        opened = key._cipher.decrypt(raw[:_NONCE], raw[_NONCE:], _bound(key_id, bound_to))  # noqa: SLF001  # of this module
    except InvalidTag:
        raise BrokenSealError(
            "it was changed, or sealed for another source, host, port, user or TLS mode"
        ) from None
    return opened.decode()


def key_id_of(sealed: str) -> str:
    """Return which key a secret was sealed with, for a change of keys.  Raises BrokenSealError."""
    return _taken_apart(sealed)[0]


def _taken_apart(sealed: str) -> tuple[str, bytes]:
    parts = sealed.split(":")
    if len(parts) == 3 and parts[0] == _VERSION and parts[1].isalnum() and len(parts[1]) == 8:
        try:
            raw = base64.b64decode(parts[2].encode(), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        # base64 has several texts for the same octets; one of them is what was written.
        is_as_written = base64.urlsafe_b64encode(raw).decode() == parts[2]
        if is_as_written and len(raw) >= _NONCE + _TAG:
            return parts[1], raw
    raise BrokenSealError("it is no sealed secret of a version that is known here")


def _bound(key_id: str, bound_to: Sequence[str]) -> bytes:
    # Each part with its length, so that no two lists come to the same octets.
    parts = [part.encode() for part in (_VERSION, key_id, *bound_to)]
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def _derived(material: str, purpose: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=purpose).derive(
        material.encode()
    )


def _remedy(source: SecretSource) -> str:
    make = "openssl rand -base64 32"
    if source.command:
        return f"secret_key_command must print a text of chance, as `{make}` made it once"
    if source.credential:
        return f"make one by `(umask 077; {make} > FILE)` and name it in LoadCredential="
    return f"make one by `(umask 077; {make} > {source.file or 'FILE'})` (secret_key_file)"
