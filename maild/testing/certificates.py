"""Certificates for tests, right and wrong ones, in a temporary folder."""

from __future__ import annotations

import ssl
import tempfile
import warnings
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_BEGIN, _END = datetime(2020, 1, 1, tzinfo=UTC), datetime(2090, 1, 1, tzinfo=UTC)


@dataclass
class Certificates:
    """Made when first asked for: `good`, `expired`, `stranger` (trusted by nobody), `wrong-name`, and `old` (TLS 1.0)."""

    _folder: tempfile.TemporaryDirectory[str] | None = field(default=None, init=False)

    def path(self, kind: str) -> Path:
        """Return the file that holds a certificate and its key."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="maild-certificates-")
        path = Path(self._folder.name) / f"{kind}.pem"
        if not path.exists():
            path.write_bytes(_made(kind))
        return path

    def trusted(self, kind: str) -> Path:
        """Return the file that a client trusts when the server shows such a certificate."""
        return self.path("good" if kind == "stranger" else kind)

    def context(self, kind: str) -> ssl.SSLContext:
        """Return what a server uses."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path(kind))
        if kind == "old":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
            context.set_ciphers("ALL:@SECLEVEL=0")
        return context

    def remove(self) -> None:
        """Delete the files."""
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


def _made(kind: str) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    host = "other.example" if kind == "wrong-name" else "localhost"
    names: list[x509.GeneralName] = [x509.DNSName(host)]
    if host == "localhost":
        names.append(x509.IPAddress(ip_address("127.0.0.1")))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_BEGIN)
        .not_valid_after(_BEGIN + timedelta(days=30) if kind == "expired" else _END)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
