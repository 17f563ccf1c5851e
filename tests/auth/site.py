"""Domains that publish keys and policies on a DNS server on loopback, and sign real mails with dkimpy."""

from __future__ import annotations

import base64
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache

import dkim
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from maild.auth.dns import Dns
from maild.auth.finding import Finding, Verdict
from maild.auth.spf import Peer, check_sender
from maild.auth.verdict import verify
from maild.model.letter import Unclear
from maild.parse import header_block
from maild.parse.strict_from import author_of
from maild.testing.dns_server import DnsServer

EVA = "eva@acme.example"
HEAD = (b"from", b"to", b"subject", b"date", b"message-id")


def rsa_key(bits: int = 2048, number: int = 0) -> rsa.RSAPrivateKey:
    """Return one key for each number, made once."""
    return _rsa_key(bits, number)


@cache
def _rsa_key(bits: int, _number: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


@cache
def ed_key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def published(key: rsa.RSAPrivateKey) -> str:
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


def published_ed(key: ed25519.Ed25519PrivateKey) -> str:
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return base64.b64encode(raw).decode()


def a_mail(from_: str = EVA, body: bytes = b"Hello,\r\n\r\n the  report. \r\n") -> bytes:
    return (
        f"From: {from_}\r\nTo: crm@firm.example\r\nSubject: A report\r\n"
        "Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@acme.example>\r\n\r\n"
    ).encode() + body


@dataclass
class Site:
    """The DNS of a test, and what signs in it."""

    server: DnsServer
    deadline: float = 5.0
    questions: int = 60
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def dns(self) -> Dns:
        return Dns(
            ["127.0.0.1"], port=self.server.port, deadline=self.deadline, questions=self.questions
        )

    def has_key(self, domain: str = "acme.example", selector: str = "s1", **more: str) -> None:
        bits = int(more.pop("bits", "2048"))
        tags = {"v": "DKIM1", "p": published(rsa_key(bits)), **more}
        text = "; ".join(f"{name}={value}" for name, value in tags.items())
        self.server.txt(f"{selector}._domainkey.{domain}", text)

    def key_text(self) -> str:
        """Return the record of the key that `signed` uses."""
        return f"v=DKIM1; p={published(rsa_key())}"

    def signed(
        self,
        mail: bytes,
        domain: str = "acme.example",
        *,
        selector: str = "s1",
        key: rsa.RSAPrivateKey | None = None,
        form: tuple[bytes, bytes] = (b"relaxed", b"relaxed"),
        **more: object,
    ) -> bytes:
        """Return the mail with one signature more, on top."""
        names = {"include_headers": [*HEAD, b"from"], **more}
        signature = dkim.sign(
            mail,
            selector.encode(),
            domain.encode(),
            pem(key or rsa_key()),
            canonicalize=form,
            **names,
        )
        return bytes(signature) + mail

    def verdict(
        self,
        mail: bytes,
        author: str | None = None,
        *,
        sealers: Collection[str] = (),
        dns: Dns | None = None,
    ) -> Verdict:
        """Verify for the author that the strict From names; nobody's when it names none."""
        if author is None:
            strict = author_of(header_block.split(mail).block)
            author = "" if isinstance(strict, Unclear) else strict.address
        return verify(
            mail,
            author,
            dns or self.dns(),
            now=self.now,
            trusted_sealers=sealers,
        )

    def sender_policy(self, peer: Peer) -> Finding:
        """Ask what the sender policy says of a peer."""
        return check_sender(peer, self.dns().for_one_mail())


def the_one(verdict: Verdict, method: str = "dkim") -> Finding:
    """Return the only finding of a method."""
    (found,) = [one for one in verdict.findings if one.method == method]
    return found
