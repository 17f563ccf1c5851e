"""Signed and encrypted mail: which it is, so that people are told why they see no more (RFC 8551, RFC 3156, RFC 4880).

Nothing is verified and nothing is opened: maild has nobody's keys.
"""

from __future__ import annotations

from maild.model.shown import Protection
from maild.parse.parts import Part

_SMIME = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_NEITHER = frozenset({"certs-only", "compressed-data"})
"""Kinds of S/MIME that neither sign nor encrypt what they hold (RFC 8551 3.2.2)."""
_ENCRYPTED_TEXT = "-----BEGIN PGP MESSAGE-----"
_SIGNED_TEXT = "-----BEGIN PGP SIGNED MESSAGE-----"


def protection_of(root: Part, text: str) -> Protection | None:
    """Return how a mail is protected; the outermost way counts, and what is attached to the mail says nothing of it."""
    for part in _outermost_first(root):
        protocol = part.content_type.get("protocol").lower()
        if part.type == "multipart/encrypted":
            return Protection(kind="encrypted", by=_by(protocol), opaque=True)
        kind = part.content_type.get("smime-type").lower()
        if part.type in _SMIME and kind not in _NEITHER:
            is_signed = kind == "signed-data"
            return Protection(kind="signed" if is_signed else "encrypted", by="S/MIME", opaque=True)
        if part.type == "multipart/signed":
            return Protection(kind="signed", by=_by(protocol), opaque=False)
    start = text.lstrip()[:200]
    if start.startswith(_ENCRYPTED_TEXT):
        return Protection(kind="encrypted", by="OpenPGP", opaque=True)
    if start.startswith(_SIGNED_TEXT):
        return Protection(kind="signed", by="OpenPGP", opaque=False)
    return None


def sentence(protection: Protection) -> str:
    """Return what a reader is told."""
    if protection.kind == "encrypted":
        return f"This mail is encrypted ({protection.by}): what it says cannot be shown here."
    if protection.opaque:
        return f"This mail is signed ({protection.by}) in a form that cannot be shown here; its signature was not checked."
    return f"This mail is signed ({protection.by}); its signature was not checked."


def _by(protocol: str) -> str:
    if "pgp" in protocol:
        return "OpenPGP"
    return "S/MIME" if "pkcs7" in protocol else "unknown"


def _outermost_first(root: Part) -> list[Part]:
    found, waiting = [], [root]
    while waiting:
        part = waiting.pop()
        found.append(part)
        waiting.extend(
            child for child in reversed(part.children) if child.disposition.value != "attachment"
        )
    return found
