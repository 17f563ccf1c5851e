"""A mail as a page of its own: safe HTML or escaped text, and above it what was left out (M13; ux.md 2.1)."""

from __future__ import annotations

import html as entities
from collections.abc import Sequence

from maild.model.shown import INTO, Wish
from maild.parse.attachments import is_text
from maild.parse.charsets import decode
from maild.parse.html_guard import TooMuchError
from maild.parse.html_text import html_to_text
from maild.parse.limits import HTML, HTML_TAGS, TEXT
from maild.parse.parts import Part, read_parts
from maild.parse.plain_page import text_as_html
from maild.parse.protection import protection_of, sentence
from maild.parse.safe_html import ALIASES, PICTURES, Sanitised, sanitised
from maild.parse.text import Texts, read_page, read_texts
from maild.parse.tnef import TYPES as TNEF, read_tnef

_LOOKS = (
    ":root{color-scheme:light}"
    "body{margin:0;padding:12px;background:#fff;color:#111;font:15px/1.45 sans-serif}"
    ".notice{margin:0 0 12px;padding:8px 12px;border:1px solid #999;background:#f4f4f4;font-size:13px}"
    # What a mail shows stays below the notice, whatever its styles say.
    ".mail{position:relative;contain:paint;overflow:auto;overflow-wrap:break-word}"
    ".mail img{max-width:100%;height:auto}"
    ".mail blockquote,.q1,.q2,.q3,.q4,.q5{margin:0 0 0 4px;padding-left:8px;border-left:2px solid #99b;color:#446}"
    ".q2{border-left-width:4px}.q3{border-left-width:6px}.q4{border-left-width:8px}.q5{border-left-width:10px}"
    ".text{white-space:pre-wrap;overflow-wrap:break-word;unicode-bidi:plaintext}"
)
_PICTURES_MAX = 500
"""Pictures of its own that a page may name."""


def page(raw: bytes, wish: Wish) -> bytes:
    """Return the page.  Never raises for what is in the mail; `worker` bounds what it takes."""
    root = read_parts(raw, [])
    notes: list[str] = []
    texts = _texts(raw, root, notes)
    protection = protection_of(root, texts.text)
    notices = [] if protection is None else [sentence(protection)]
    said: list[str] = []
    body = ""
    if not wish.plain:
        pieces = read_page(raw, root, said) or [("text/html", texts.html or "")]
        body = _html_body(pieces, root, wish, notices)
    if not body:
        body, said = text_as_html(texts.text), notes
    notices.extend(f"{note[0].upper()}{note[1:]}." for note in dict.fromkeys(said))
    return written(body, notices)


def _texts(raw: bytes, root: Part, notes: list[str]) -> Texts:
    """Return what a mail says; of one that says it only within a winmail.dat, what it says there."""
    texts = read_texts(raw, root, notes)
    wrapped = next((part for part in root.leaves() if part.type in TNEF), None)
    if wrapped is None or texts.text.strip():
        return texts
    said = {file.name: file.octets for file in read_tnef(wrapped.octets(raw)) if file.is_text}
    if "message.html" in said:
        texts.html = decode(said["message.html"][:HTML])[0]
        texts.text = html_to_text(texts.html, [])
    elif "message.txt" in said:
        texts.text = decode(said["message.txt"][:TEXT])[0]
    return texts


def plain_page(text: str, notices: Sequence[str]) -> bytes:
    """Return the page of a text, where there is nothing better."""
    return written(text_as_html(text), notices)


def written(body: str, notices: Sequence[str]) -> bytes:
    """Return the whole page; `body` is safe, `notices` are our own sentences."""
    said = "".join(f'<p class="notice" role="note">{entities.escape(one)}</p>' for one in notices)
    return (
        '<!DOCTYPE html><html><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>Mail</title>'
        f"<style>{_LOOKS}</style></head><body>{said}"
        f'<div class="mail">{body}</div></body></html>'
    ).encode("utf-8", "replace")


def _html_body(pieces: list[tuple[str, str]], root: Part, wish: Wish, notices: list[str]) -> str:
    """Return the pieces as one, each made safe by itself: what one leaves open takes nothing of the next along."""
    pictures = _pictures(root, wish)
    whole = Sanitised("")
    try:
        _bound(pieces)
        for type_, text in pieces:
            if type_ == "text/html":
                whole += sanitised(text, pictures, images=wish.images)
            else:
                whole.html += text_as_html(text)
    except TooMuchError as error:
        notices.append(f"This mail's HTML has {error}; only its text is shown.")
        return ""
    notices.extend(_left_out(whole))
    return whole.html


def _bound(pieces: list[tuple[str, str]]) -> None:
    """Raise TooMuchError where the pieces together are more than one may be."""
    if len(pieces) > 1 and sum(text.count("<") for _, text in pieces) > 2 * HTML_TAGS:
        raise TooMuchError(f"more than {HTML_TAGS} elements")


def _pictures(root: Part, wish: Wish) -> dict[str, str]:
    """Return where a page finds what the mail itself brings, by Content-ID."""
    if not wish.name:
        return {}
    found: dict[str, str] = {}
    inside = f"{wish.path}{INTO}" if wish.path else ""
    for part in root.leaves():
        if part.content_id and ALIASES.get(part.type, part.type) in PICTURES and not is_text(part):
            found.setdefault(part.content_id, f"cid/{wish.name}/{inside}{part.path}")
        if len(found) == _PICTURES_MAX:
            break
    return found


def _left_out(safe: Sanitised) -> list[str]:
    """Say what a reader does not see."""
    left = (
        (safe.blocked, "from elsewhere", "not loaded"),
        (safe.pixels, "too small to be seen", "left out: such tell the sender that a mail is read"),
        (safe.lost, "that the mail does not bring", "left out"),
    )
    return [
        f"{number} picture{'' if number == 1 else 's'} {which} {'was' if number == 1 else 'were'} {fate}."
        for number, which, fate in left
        if number
    ]
