"""Writes a winmail.dat as Outlook does (MS-OXTNEF)."""

from __future__ import annotations

import struct

MESSAGE, ATTACHMENT = 1, 2


def attribute(level: int, name: int, content: bytes) -> bytes:
    return (
        struct.pack("<BII", level, name, len(content))
        + content
        + struct.pack("<H", sum(content) & 0xFFFF)
    )


def prop(kind: int, key: int, value: bytes) -> bytes:
    """Return a property of one value; those of a fixed length have no count."""
    if kind in {0x03, 0x0B}:
        return struct.pack("<HH", kind, key) + value
    return struct.pack("<HHII", kind, key, 1, len(value)) + value + b"\0" * (-len(value) % 4)


def named(kind: int, key: int, value: bytes, name: str) -> bytes:
    text = name.encode("utf-16-le")
    inner = b"G" * 16 + struct.pack("<II", 1, len(text)) + text + b"\0" * (-len(text) % 4)
    return (
        struct.pack("<HH", kind, key)
        + inner
        + struct.pack("<II", 1, len(value))
        + value
        + b"\0" * (-len(value) % 4)
    )


def props(*found: bytes) -> bytes:
    return struct.pack("<I", len(found)) + b"".join(found)


def file(name: str, content: bytes, type_: str = "", content_id: str = "") -> bytes:
    more = [
        prop(0x03, 0x0E21, b"\0\0\0\0"),
        named(0x1E, 0x8000, b"x\0", "Own name"),
        prop(0x1F, 0x3707, (name + "\0").encode("utf-16-le")),
    ]
    if type_:
        more.append(prop(0x1E, 0x370E, type_.encode() + b"\0"))
    if content_id:
        more.append(prop(0x1E, 0x3712, content_id.encode() + b"\0"))
    return (
        attribute(ATTACHMENT, 0x00069002, b"\1\0" + b"\0" * 12)
        + attribute(ATTACHMENT, 0x00018010, b"SHORT~1.TXT\0")
        + attribute(ATTACHMENT, 0x0006800F, content)
        + attribute(ATTACHMENT, 0x00069005, props(*more))
    )


def embedded(inner: bytes) -> bytes:
    return attribute(ATTACHMENT, 0x00069002, b"\5\0" + b"\0" * 12) + attribute(
        ATTACHMENT,
        0x00069005,
        props(prop(0x0D, 0x3701, b"I" * 16 + inner), prop(0x1E, 0x3707, b"Inner\0")),
    )


def winmail(*attributes: bytes, body: str = "", html: bytes = b"") -> bytes:
    head = struct.pack("<IH", 0x223E9F78, 1) + attribute(
        MESSAGE, 0x00069007, struct.pack("<II", 1252, 0)
    )
    if body:
        head += attribute(MESSAGE, 0x0002800C, body.encode("cp1252") + b"\0")
    if html:
        head += attribute(MESSAGE, 0x00069003, props(prop(0x102, 0x1013, html)))
    return head + b"".join(attributes)
