"""The text and the HTML of a mail, as a person reads them: charsets, format=flowed, the best of alternatives."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from maild.parse.attachments import is_text
from maild.parse.charsets import decode
from maild.parse.html_text import html_to_text
from maild.parse.limits import HTML, TEXT, TEXT_PARTS
from maild.parse.parts import Part

_CHARSET_TAG = re.compile(
    rb"<meta[^<>]{0,200}?charset\s{0,5}=\s{0,5}[\"']?([\w.:-]{1,40})", re.IGNORECASE
)


@dataclass(slots=True)
class Texts:
    """What a mail says."""

    text: str = ""
    html: str | None = None
    parts: list[Part] = field(default_factory=list)
    """The parts that are the mail's own text, shown or left aside for a better alternative: no attachments."""


def read_texts(raw: bytes, root: Part, notes: list[str]) -> Texts:
    """Read the text of a mail; what was cut or guessed is added to `notes`."""
    own = [part for part in root.leaves() if is_text(part)]
    chosen = _chosen(root)
    texts = Texts(parts=own)
    if len(chosen) > TEXT_PARTS:
        notes.append(f"the mail has more than {TEXT_PARTS} text parts; the rest was not joined")
        chosen = chosen[:TEXT_PARTS]
    first_html = next((part for part in own if part.type == "text/html"), None)
    if first_html is not None:
        texts.html = _html(raw, first_html, notes)
    texts.text = _bounded(_joined(raw, chosen, first_html, texts.html, notes), notes)
    if not texts.text and texts.html and first_html not in chosen:
        texts.text = _bounded(html_to_text(texts.html, notes), notes)
    return texts


def read_page(raw: bytes, root: Part, notes: list[str]) -> list[tuple[str, str]]:
    """Return all that a mail says, in order, as type and text: of alternatives the HTML; empty where there is none."""
    chosen = _chosen(root, "text/html")
    if all(part.type != "text/html" for part in chosen):
        return []
    if len(chosen) > TEXT_PARTS:
        notes.append(f"the mail has more than {TEXT_PARTS} text parts; the rest is not shown")
    found: list[tuple[str, str]] = []
    room = HTML
    for part in chosen[:TEXT_PARTS]:
        is_html = part.type == "text/html"
        text = _html(raw, part, notes) if is_html else _bounded(_plain(raw, part, notes), notes)
        found.append((part.type, text))
        room -= len(text)
        if room <= 0:
            if part is not chosen[-1]:
                notes.append("the mail says more than 2 MB; only its beginning is shown")
            break
    return found


def _joined(
    raw: bytes, chosen: list[Part], first_html: Part | None, html: str | None, notes: list[str]
) -> str:
    pieces = []
    room = TEXT + 1
    for part in chosen:
        if part.type == "text/plain":
            piece = _plain(raw, part, notes)
        elif part is first_html:
            piece = html_to_text(html or "", notes)
        else:
            piece = html_to_text(_html(raw, part, notes), notes)
        if piece.strip():
            pieces.append(piece)
            room -= len(piece)
        if room <= 0:
            break
    return "\n".join(pieces)


def _chosen(root: Part, wanted: str = "text/plain") -> list[Part]:
    """Return the parts whose text is read, one of each multipart/alternative: what is wanted, if it says anything.

    Works from the leaves to the root without recursion: the tree is at most 100 deep, but the order matters here.
    """
    best: dict[int, list[Part]] = {}
    for part in _children_first(root):
        if not part.children:
            best[id(part)] = [part] if is_text(part) else []
        elif part.type == "multipart/alternative":
            best[id(part)] = _alternative([best[id(child)] for child in part.children], wanted)
        elif part.type == "multipart/related":
            best[id(part)] = best[id(part.children[0])] or _all(part, best)[:1]
        else:
            best[id(part)] = _all(part, best)
    return best[id(root)]


def _all(part: Part, best: dict[int, list[Part]]) -> list[Part]:
    return [text for child in part.children for text in best[id(child)]]


def _alternative(choices: list[list[Part]], wanted: str) -> list[Part]:
    filled = [
        choice for choice in choices if choice and any(part.end > part.start for part in choice)
    ]
    # HTML may have some plain text around it; text with some HTML in it is no plain text.
    fits = any if wanted == "text/html" else all
    for choice in filled:
        if fits(part.type == wanted for part in choice):
            return choice
    return filled[0] if filled else []


def _children_first(root: Part) -> list[Part]:
    order = []
    waiting = [root]
    while waiting:
        part = waiting.pop()
        order.append(part)
        waiting.extend(part.children)
    return order[::-1]


def _plain(raw: bytes, part: Part, notes: list[str]) -> str:
    octets = part.octets(raw)
    # Four octets a character at most, and no reason to decode what is cut afterwards.
    cut = len(octets) > TEXT * 4 + 4
    label = part.content_type.get("charset")
    text = _decoded(octets[: TEXT * 4 + 4], part, label, [] if cut else notes)
    if part.content_type.get("format").lower() == "flowed":
        return unflowed(text, delsp=part.content_type.get("delsp").lower() == "yes")
    return text


def _html(raw: bytes, part: Part, notes: list[str]) -> str:
    octets = part.octets(raw)
    cut = len(octets) > HTML
    if cut:
        octets = octets[:HTML]
        notes.append("the HTML part is longer than 2 MB; only its beginning was kept")
    label = part.content_type.get("charset")
    if not label and (tag := _CHARSET_TAG.search(octets[:4096])) is not None:
        label = tag[1].decode("ascii", "replace")
    return _decoded(octets, part, label, [] if cut else notes)


def _decoded(octets: bytes, part: Part, label: str, notes: list[str]) -> str:
    """Decode; a cut may have torn the last character, and then no doubt is worth a note."""
    text, sure = decode(octets, label)
    if not sure:
        notes.append(f"the charset of part {part.path} is not known; its text was guessed")
    return text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")


def _bounded(text: str, notes: list[str]) -> str:
    if len(text) > TEXT:
        notes.append("the text is longer than 1 MiB; only its beginning was kept")
        return text[:TEXT]
    return text


def unflowed(text: str, *, delsp: bool) -> str:
    """Join the lines of format=flowed (RFC 3676): one that ends with a space goes on in the next of equal depth.

    The signature's line never goes on; with `delsp` the space itself falls away.
    """
    lines: list[str] = []
    open_depth: int | None = None
    buffer: list[str] = []
    for line in text.split("\n"):
        content = line.lstrip(">")
        depth = len(line) - len(content)
        content = content.removeprefix(" ")
        if open_depth is not None and (open_depth != depth or content == "-- "):
            lines.append("".join(buffer).rstrip(" "))
            open_depth = None
        if open_depth is None:
            buffer = [">" * depth + " " if depth else "", content]
        else:
            buffer.append(content)
        if content.endswith(" ") and content != "-- ":
            open_depth = depth
            if delsp:
                buffer[-1] = content[:-1]
        else:
            lines.append("".join(buffer))
            open_depth = None
    if open_depth is not None:
        lines.append("".join(buffer).rstrip(" "))
    return "\n".join(lines)
