"""The text of an HTML part for finding an original in it: lines where a reader sees lines, `>` where quotations are.

Hidden text is left out: what the forwarder could not see names nobody.
"""

from __future__ import annotations

import re
from collections import Counter
from urllib.parse import unquote

from selectolax.lexbor import LexborHTMLParser, LexborNode

from maild.parse.forward.lines import MAX_DEPTH
from maild.parse.limits import HTML, HTML_DEPTH, HTML_TAGS

_SKIPPED = frozenset(
    {"script", "style", "head", "title", "template", "noscript", "svg", "math", "object", "iframe"}
)
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
_HIDING = re.compile(
    r"display:none|visibility:hidden|mso-hide:all|font-size:0(?![.\d]*[1-9])|opacity:0(?![.\d]*[1-9])"
)
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,30})")
_SELF_CLOSING = frozenset(
    {
        "area",
        "base",
        "br",
        "col",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "wbr",
        "dd",
        "dt",
        "li",
        "option",
        "p",
    }
    | {"td", "th", "tr", "tbody", "tfoot", "thead", "colgroup"}
)
"""Empty elements, and those that the next of their kind closes."""
_SPACES = re.compile(r"[ \t\n\r\f]+")


def text_of(html: str) -> str:
    """Return the visible text; empty where the HTML is too large to be looked at."""
    if len(html) > HTML or html.count("<") - html.count("</") > HTML_TAGS or _is_too_deep(html):
        return ""
    body = LexborHTMLParser(html).body
    if body is None:
        return ""
    page = _Page()
    page.walk(body)
    return page.text()


def _is_too_deep(html: str) -> bool:
    """Tell whether elements are nested deeper than any client nests them; an upper bound by counting tags."""
    if html.count("<") <= HTML_DEPTH:
        return False
    still_open: Counter[str] = Counter()
    depth = 0
    for found in _TAG.finditer(html):
        name = found[2].lower()
        if name in _SELF_CLOSING:
            continue
        if not found[1]:
            still_open[name] += 1
            depth += 1
        elif still_open[name]:
            still_open[name] -= 1
            depth -= 1
        if depth > HTML_DEPTH:
            return True
    return False


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
        if tag is None or tag in _SKIPPED or _is_hidden(node):
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
        if tag == "a":
            self._now.append(_address_behind(node))
        elif tag in {"td", "th"}:
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


def _is_hidden(node: LexborNode) -> bool:
    attributes = node.attributes
    if "hidden" in attributes:
        return True
    style = attributes.get("style")
    return bool(style) and _HIDING.search("".join((style or "").lower().split())) is not None


def _address_behind(node: LexborNode) -> str:
    """Return the address of a mailto link that shows only a name, in brackets."""
    href = (node.attributes.get("href") or "").strip()
    if not href.lower().startswith("mailto:") or "@" in node.text(deep=True):
        return ""
    return f" <{unquote(href[7:].partition('?')[0])}>"
