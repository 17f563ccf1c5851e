"""The text of an HTML part for finding an original in it: lines where a reader sees lines, `>` where quotations are.

Hidden text is left out: what the forwarder could not see names nobody.
"""

from __future__ import annotations

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from maild.parse.forward.lines import MAX_DEPTH
from maild.parse.limits import HTML
from maild.parse.outline import Outline

_BLOCKS = frozenset(
    {
        "address",
        "article",
        "blockquote",
        "body",
        "center",
        "dd",
        "div",
        "dl",
        "dt",
        "fieldset",
        "footer",
        "form",
    }
    | {
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "li",
        "main",
        "ol",
        "p",
        "pre",
        "section",
        "table",
    }
    | {"tbody", "tfoot", "thead", "tr", "ul"}
)
_SPACED = frozenset(
    {"p", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "pre", "table"}
)
_SPACES = re.compile(r"[ \t\n\r\f]+")


def text_of(html: str) -> str:
    """Return the visible text; empty where the HTML is too large to be looked at."""
    if len(html) > HTML:
        return ""
    outline = Outline(sighted=True)
    bare = outline.read(html)
    body = LexborHTMLParser(bare).body if outline.why is None else None
    if body is None:
        return ""
    page = _Page()
    page.walk(body)
    return page.text()


class _Page:
    """The lines as they come, with the depth of quotation of each."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._now: list[str] = []
        self._depth = 0

    def walk(self, root: LexborNode) -> None:
        """Go through the tree without recursion: mail may be nested deeper than Python's stack."""
        waiting = [(root, True)]
        while waiting:
            node, is_new = waiting.pop()
            if not is_new:
                self._leave(node)
            elif self._enter(node):
                waiting.append((node, False))
                waiting.extend((child, True) for child in reversed(_children(node)))

    def text(self) -> str:
        """Return all lines."""
        self._break()
        return "\n".join(self._lines)

    def _enter(self, node: LexborNode) -> bool:
        """Write what begins here; return whether it is to be entered, and left again."""
        tag = node.tag
        if tag == "-text":
            self._now.append(_SPACES.sub(" ", node.text_content or ""))
            return False
        if tag is None:
            return False
        if tag == "br":
            self._break(always=True)
            return False
        if tag in _BLOCKS:
            self._break()
        if tag == "blockquote":
            self._depth += 1
        return True

    def _leave(self, node: LexborNode) -> None:
        tag = node.tag or ""
        if tag in {"td", "th"}:
            self._now.append(" ")
        if tag in _BLOCKS:
            self._break()
        if tag == "blockquote":
            self._depth -= 1
        if tag in _SPACED and self._lines and self._lines[-1].strip("> "):
            self._lines.append("> " * min(self._depth, MAX_DEPTH))

    def _break(self, *, always: bool = False) -> None:
        line = _SPACES.sub(" ", "".join(self._now)).strip()
        self._now.clear()
        if line or always:
            self._lines.append("> " * min(self._depth, MAX_DEPTH) + line)


def _children(node: LexborNode) -> list[LexborNode]:
    found: list[LexborNode] = []
    child = node.child
    while child is not None:
        found.append(child)
        child = child.next
    return found
