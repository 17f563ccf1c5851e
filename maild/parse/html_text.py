"""HTML to the text that a person would read, behind a guard: HTML parsers need quadratic time on nesting (T6)."""

from __future__ import annotations

import html as entities
import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from maild.parse.charsets import clean
from maild.parse.limits import HTML
from maild.parse.outline import Outline

# [^<>] and not [^>]: a million opening brackets must not make each of them look for its end.
_ANY_TAG = re.compile(r"<[^<>]*+>?")
_BLANKS = re.compile(r"[ \t\r\n\f]+")
_MANY_LINES = re.compile(r"\n{3,}")
_LONG_NUMBER = re.compile(r"&#[xX]?[0-9a-fA-F]{9,}+;?")

_LINE = frozenset(
    [
        "div",
        "tr",
        "ul",
        "ol",
        "dl",
        "dt",
        "dd",
        "table",
        "section",
        "article",
        "header",
        "footer",
        "form",
        "center",
    ]
) | {
    "li",
    "address",
    "body",
    "caption",
    "fieldset",
    "figure",
    "main",
    "nav",
    "aside",
    "tbody",
    "thead",
}
_PARAGRAPH = frozenset(["p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "hr"])


def html_to_text(html: str, notes: list[str]) -> str:
    """Return the text; beyond the guard only tags are taken out, and `notes` says so."""
    if len(html) > HTML:
        html = html[:HTML]
        notes.append("the HTML part is longer than 2 MB; only its beginning was read")
    outline = Outline()
    bare = outline.read(html)
    if outline.why is not None:
        notes.append(f"the HTML part has {outline.why}; it was read without its layout")
        return _unescaped(bare)
    root = LexborHTMLParser(bare).root
    return "" if root is None else _Writer().write(root)


def _unescaped(text: str) -> str:
    """Take out the tags that were let through before the limit, and read the entities; linear."""
    text = _LONG_NUMBER.sub("\ufffd", _ANY_TAG.sub(" ", text))
    return clean(_BLANKS.sub(" ", entities.unescape(text))).strip()


class _Writer:
    """Walks a tree without recursion and writes its text, with line ends where a browser would break."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self.breaks = 2
        self.blank = False
        self.pre = 0

    def write(self, root: LexborNode) -> str:
        node: LexborNode | None = root
        while node is not None:
            child = node.first_child if self._enter(node) else None
            if child is not None:
                node = child
                continue
            node = self._next(node)
        lines = "".join(self.out).replace("\u00a0", " ").split("\n")
        text = "\n".join(line.rstrip(" \t") for line in lines)
        return clean(_MANY_LINES.sub("\n\n", text)).strip()

    def _next(self, node: LexborNode) -> LexborNode | None:
        """Leave nodes until one has a sibling."""
        current: LexborNode | None = node
        while current is not None:
            self._leave(current)
            if current.next is not None:
                return current.next
            current = current.parent
        return None

    def _enter(self, node: LexborNode) -> bool:
        """Write what stands at the beginning of a node; whether to go inside."""
        tag = node.tag or ""
        if tag == "-text":
            self._text(node.text_content or "")
            return False
        if tag == "head" or tag.startswith(("-", "_", "!")):
            return tag == "-document"
        if tag == "br":
            self.out.append("\n")
            self.breaks += 1
            self.blank = False
        elif tag in _PARAGRAPH:
            self._break(2)
            self.pre += tag == "pre"
        elif tag in _LINE:
            self._break(1)
            if tag == "li":
                self._text("- ")
        elif tag in {"td", "th"}:
            self.blank = self.breaks == 0
        return True

    def _leave(self, node: LexborNode) -> None:
        tag = node.tag or ""
        if tag in _PARAGRAPH:
            self._break(2)
            self.pre -= tag == "pre"
        elif tag in _LINE:
            self._break(1)

    def _break(self, wanted: int) -> None:
        if self.breaks < wanted:
            self.out.append("\n" * (wanted - self.breaks))
            self.breaks = wanted
        self.blank = False

    def _text(self, text: str) -> None:
        if self.pre:
            self.out.append(text)
            self.breaks = 0
            return
        words = _BLANKS.sub(" ", text)
        if words in {"", " "}:
            self.blank = self.blank or (words == " " and self.breaks == 0)
            return
        if self.blank or (words.startswith(" ") and self.breaks == 0):
            self.out.append(" ")
        self.out.append(words.strip(" "))
        self.blank = words.endswith(" ")
        self.breaks = 0
