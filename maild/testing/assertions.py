"""Signed assertions (RFC 7523) as the issuer of tests reads them, and keys to make them with."""

from __future__ import annotations

import base64
import binascii
import datetime
import json
from collections.abc import Mapping
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


def claims_of(assertion: str, key: rsa.RSAPublicKey) -> Mapping[str, Any] | None:
    """Return what an assertion claims, if the key has signed it."""
    signed, _, signature = assertion.rpartition(".")
    try:
        head, body = (json.loads(_octets(part)) for part in signed.split("."))
        padded: padding.AsymmetricPadding = padding.PKCS1v15()
        if head["alg"] == "PS256":
            padded = padding.PSS(padding.MGF1(SHA256()), padding.PSS.DIGEST_LENGTH)
        key.verify(_octets(signature), signed.encode(), padded, SHA256())
    except (ValueError, KeyError, binascii.Error, InvalidSignature):
        return None
    return body if isinstance(body, dict) else None


def new_key() -> rsa.RSAPrivateKey:
    """Return a key for signing."""
    return rsa.generate_private_key(65537, 2048)


def key_pem(key: rsa.RSAPrivateKey) -> str:
    """Return a private key as text."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def certificate_pem(key: rsa.RSAPrivateKey, name: str = "maild") -> str:
    """Return a certificate for the key, signed by itself."""
    now = datetime.datetime.fromisoformat("2026-01-01")
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now.replace(year=now.year + 20))
        .sign(key, SHA256())
    )
    return made.public_bytes(Encoding.PEM).decode()


def _octets(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
