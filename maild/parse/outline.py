"""The tags of an HTML part, reduced to those that shape its text, and made harmless for a parser of HTML (T6).

HTML parsers need quadratic time on nesting, on attributes, on formats that are opened again, and on end tags that
match nothing.  What this returns has none of it: bare tags, each end tag for an element that is open, at most
`HTML_DEPTH` inside each other.  It must stay linear whatever stands in the mail, and it must never let through a `<`
that it has not read itself.
"""

from __future__ import annotations

import html as entities
import re
from collections import Counter
from dataclasses import dataclass
from urllib.parse import unquote

from maild.parse.limits import HTML_DEPTH, HTML_TAGS

# A tag as the HTML standard tokenises it (13.2.5), possessive throughout: each character is looked at once or twice.
_ATTRIBUTES = (
    r"(?:[\s/]++|[^\s/>][^\s/>=]*+"
    r"(?:\s*+=\s*+(?:\"[^\"]*+(?:\"|\Z)|'[^']*+(?:'|\Z)|[^\s>\"'][^\s>]*+)?+)?+)*+(?:>|\Z)"
)
MARKUP = re.compile(
    r"<!--(?:-?>|.*?(?:--!?>|\Z))"
    r"|<(?P<unread>script|style|title|noscript|iframe)(?=[\s/>])"
    rf"{_ATTRIBUTES}.*?(?:</(?P=unread)[^>]*+>?|\Z)"
    # An end tag without a name is nothing, and takes nothing along (HTML 13.2.5.7).
    r"|</>|<(?:[!?]|/[^a-z])[^>]*+>?"
    rf"|<(?P<end>/?)(?P<name>[a-z][^\s/>]*+)(?P<attributes>{_ATTRIBUTES})"
    # What opens nothing must not become a tag together with what stands behind a tag that is left out.
    r"|(?P<stray>(?:<(?![a-z/!?]))++)",
    re.IGNORECASE | re.DOTALL | re.ASCII,
)
ATTRIBUTE = re.compile(
    r"([^\s/>=][^\s/>=]*+)(?:\s*+=\s*+(?:\"([^\"]*+)\"?+|'([^']*+)'?+|([^\s>]*+)))?+"
)
_HIDING = re.compile(
    r"display:none|visibility:hidden|mso-hide:all|font-size:0(?![.\d]*[1-9])|opacity:0(?![.\d]*[1-9])"
)
_HREF_MAX = 1_000
_LOOKED_BACK = 64
"""Open elements among which the one of an end tag is sought; honest mail leaves hardly any unclosed."""

_EMPTY = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source"}
    | {"track", "wbr", "image", "keygen"}
)
"""Elements without content: nothing can be hidden in them (HTML 13.1.2)."""
_CLOSED_BY_THEMSELVES = frozenset(
    {"p", "li", "dt", "dd", "tr", "td", "th", "tbody", "thead", "tfoot", "caption"}
)
"""Of these no two can be open without something from `_BLOCKS` between them: they need no counting."""
_ROWS = frozenset({"tbody", "thead", "tfoot"})
_BLOCKS = "address article aside blockquote center div dl fieldset figure footer h1 header main nav ol pre section table ul"
_AS: dict[str, str] = {
    **dict.fromkeys(["h2", "h3", "h4", "h5", "h6"], "h1"),
    # A form's end tag closes it in the middle of others; it says as much as a div to a text.
    "form": "div",
    **{name: name for name in _BLOCKS.split()},
}
"""Under which name an element is let through; any other is none to a text."""
_CUT_OUT = frozenset({"template", "object"})
_CUT_OUT_OF_SIGHT = _CUT_OUT | {"svg", "math"}
_ENDS_HIDDEN = {
    "p": frozenset(_AS) | {"p", "li", "dt", "dd"},
    "li": frozenset({"li"}),
    "dt": frozenset({"dt", "dd"}),
    "dd": frozenset({"dt", "dd"}),
    "td": frozenset({"td", "th", "tr"}) | _ROWS,
    "th": frozenset({"td", "th", "tr"}) | _ROWS,
    "tr": frozenset({"tr"}) | _ROWS,
    **dict.fromkeys(_ROWS | {"caption"}, _ROWS),
}
"""What ends an element that closes by itself; it matters where that one is hidden."""


@dataclass(slots=True)
class _Open:
    """An element that has begun."""

    name: str
    shown: str = ""
    """Under which name it was written; empty where it was not."""
    hides: bool = False
    link: str = ""
    """The address behind it."""
    at: int = 0
    """How many pieces were written before it."""
    fence: str = ""
    """What was opened in it: behind a paragraph or an item, the end tag of a `span` counts for nothing."""


class Outline:
    """Reads one HTML part.  With `sighted`, what its reader cannot see is left out, and addresses behind links are shown."""

    def __init__(self, *, sighted: bool = False) -> None:
        """Start with nothing read."""
        self.why: str | None = None
        """Which limit was broken; from there on each tag became a space."""
        self._sighted = sighted
        self._cut_out = _CUT_OUT_OF_SIGHT if sighted else _CUT_OUT
        self._pieces: list[str] = []
        self._open: list[_Open] = []
        self._watched: Counter[str] = Counter()
        self._hiding = 0
        self._count = 0

    def read(self, html: str) -> str:
        """Return the HTML with nothing but harmless tags."""
        at = 0
        for match in MARKUP.finditer(html):
            self._write(html[at : match.start()])
            at = match.end()
            if match["stray"] is not None:
                self._write("&lt;" * len(match["stray"]))
            elif match["name"] is not None:
                self._tag(match)
        self._write(html[at:])
        return "".join(self._pieces)

    def _write(self, text: str) -> None:
        if text and (not self._hiding or self.why is not None):
            self._pieces.append(text)

    def _tag(self, match: re.Match[str]) -> None:
        name = match["name"].lower()
        self._count += 1
        if self.why is None and self._count > 2 * HTML_TAGS:
            self.why = f"more than {HTML_TAGS} elements"
        if self.why is not None:
            self._write(" ")
        elif name in _EMPTY:
            # The end tag of br is one, too (HTML 13.2.6.4.7).
            self._write(f"<{name}>" if name == "br" or (name == "hr" and not match["end"]) else "")
        elif match["end"]:
            self._end(name)
        else:
            self._begin(name, match["attributes"])

    def _begin(self, name: str, attributes: str) -> None:
        if self._hiding and self._open:
            self._end_hidden(name)
        element = _Open(name, _AS.get(name, ""), at=len(self._pieces))
        element.hides = name in self._cut_out
        if self._sighted and len(attributes) > 1:
            self._look(element, attributes)
        if element.hides or element.link or name in self._watched:
            self._watched[name] += 1
        elif not element.shown:
            self._begin_loose(name)
            return
        if self._hiding or element.hides:
            element.shown = ""
        self._hiding += element.hides
        self._push(element)

    def _begin_loose(self, name: str) -> None:
        """Write what closes by itself; everything else says nothing to a text."""
        if name in _CLOSED_BY_THEMSELVES:
            if self._open:
                self._open[-1].fence = self._open[-1].fence or name
            self._write(f"<{name}>")

    def _push(self, element: _Open) -> None:
        self._open.append(element)
        if len(self._open) > HTML_DEPTH:
            self.why = f"elements more than {HTML_DEPTH} deep"
        elif element.shown:
            self._pieces.append(f"<{element.shown}>")

    def _look(self, element: _Open, attributes: str) -> None:
        """Find out whether a reader sees the element, and what is behind it.  Of two attributes the first counts."""
        found: dict[str, str] = {}
        for name, *values in ATTRIBUTE.findall(attributes):
            if (lower := name.lower()) in {"hidden", "style", "href"}:
                found.setdefault(lower, "".join(values))
        style = "".join(entities.unescape(found.get("style", "")).lower().split())
        element.hides |= "hidden" in found or _HIDING.search(style) is not None
        href = entities.unescape(found.get("href", "")[:_HREF_MAX]).strip()
        is_first = element.name == "a" and not element.hides and not self._watched["a"]
        if is_first and href.lower().startswith("mailto:"):
            element.link = unquote(href[7:].partition("?")[0])

    def _end(self, name: str) -> None:
        if self._hiding and self._open:
            top = self._open[-1]
            if top.name == name and (not top.fence or name in _ENDS_HIDDEN or name in _AS):
                self._close()
                return
            self._end_hidden(name)
        if name in _CLOSED_BY_THEMSELVES and not self._watched[name]:
            if self._open and self._open[-1].fence == "p" == name:
                self._open[-1].fence = ""
            self._write(f"</{name}>")
            return
        at = self._begun(name)
        while at is not None and len(self._open) > at:
            self._close()

    def _begun(self, name: str) -> int | None:
        """Return where the element of an end tag stands.  None is sought outside of a table (HTML 13.2.4.2)."""
        if name not in _AS and not self._watched[name]:
            return None
        wanted = _AS.get(name, name)
        is_inline = name not in _AS and name not in _CLOSED_BY_THEMSELVES
        for at in range(len(self._open) - 1, max(len(self._open) - _LOOKED_BACK, 0) - 1, -1):
            element = self._open[at]
            if is_inline and element.fence:
                return None
            if _AS.get(element.name, element.name) == wanted:
                return at
            if element.name == "table" or element.name in self._cut_out:
                return None
            if is_inline and element.name in _AS:
                return None
        return None

    def _end_hidden(self, name: str) -> None:
        """Close what is hidden and ends where this tag stands, without an end tag of its own."""
        while self._open and name in _ENDS_HIDDEN.get(self._open[-1].name, ()):
            self._close()

    def _close(self) -> None:
        element = self._open.pop()
        if element.name in self._watched:
            self._watched[element.name] -= 1
            if not self._watched[element.name]:
                del self._watched[element.name]
        self._hiding -= element.hides
        if element.link and not any("@" in piece for piece in self._pieces[element.at :]):
            self._write(f" &lt;{entities.escape(element.link)}&gt;")
        if element.shown:
            self._pieces.append(f"</{element.shown}>")
