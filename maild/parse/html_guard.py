"""An HTML part made ready for the sanitiser: only tags that may stay, and never more than it can bear (T6, T8).

The sanitiser builds a tree as a browser does, which needs quadratic time on nesting, on attributes of one tag and on
formats that are never closed.  So a linear scan comes first.  It leaves out comments, styles, scripts and every tag
that is not on the list, so that nothing is left about whose reading two parsers could differ; and it counts how deep
the rest may nest, rather too deep than not deep enough.  It decides no value of an attribute but what is counted.
"""

from __future__ import annotations

import html as entities
import re
from collections import Counter
from dataclasses import dataclass

from maild.parse.limits import HTML_DEPTH, HTML_TAGS
from maild.parse.links import host_of, hosts_in
from maild.parse.outline import ATTRIBUTE, MARKUP
from maild.parse.safe_css import safe_style

ATTRIBUTES_MAX = 100
"""Attributes of one tag: a sanitiser compares each with each."""
REFERENCES_MAX = 100_000
"""Ampersands: a sanitiser that joins letter to letter takes quadratic time."""
_VALUE_MAX = 2_000_000
"""Characters of one value; a picture may be in it."""
_LINK_TEXT = 200

_WORDS = """
    a b big code em font i nobr s small strike strong tt u
    abbr acronym bdi bdo cite del dfn ins kbd mark q samp span sub sup var
    caption col colgroup tbody td tfoot th thead tr
    address article aside blockquote center dd div dl dt figcaption figure footer h1 h2 h3 h4 h5 h6 header li main nav ol p pre section table ul
"""
_FORMATS, _INLINE, _TABLE, _BLOCKS = (
    frozenset(line.split()) for line in _WORDS.strip().split("\n")
)
"""What a parser opens again after it was closed by what stands around it (HTML 13.2.4.3); other words; parts of tables; blocks."""
_ROWS = frozenset({"td", "th", "tr", "tbody", "thead", "tfoot"})
_CELLS = frozenset({"td", "th", "caption"})
_EMPTY = frozenset({"br", "hr", "img", "wbr", "col"})
TAGS = _FORMATS | _INLINE | _TABLE | _BLOCKS | _EMPTY
"""Every tag that may stay."""

_ALL = frozenset({"align", "dir", "lang", "style"})
_CELL = frozenset({"bgcolor", "colspan", "height", "nowrap", "rowspan", "valign", "width"})
ATTRIBUTES: dict[str, frozenset[str]] = {
    "a": frozenset({"href", "title"}),
    "col": frozenset({"span", "width"}),
    "colgroup": frozenset({"span", "width"}),
    "font": frozenset({"color", "face", "size"}),
    "hr": frozenset({"size", "width"}),
    "img": frozenset({"alt", "border", "height", "src", "width"}),
    "li": frozenset({"type", "value"}),
    "ol": frozenset({"start", "type"}),
    "table": frozenset({"bgcolor", "border", "cellpadding", "cellspacing", "width"}),
    "tbody": frozenset({"bgcolor", "valign"}),
    "td": _CELL,
    "th": _CELL,
    "tr": frozenset({"bgcolor", "height", "valign"}),
    "ul": frozenset({"type"}),
    "*": _ALL,
}
"""Which attributes may stay, by tag."""

_ENDS: dict[str, frozenset[str]] = {
    "li": frozenset({"li"}),
    "dd": frozenset({"dd", "dt"}),
    "dt": frozenset({"dd", "dt"}),
    "tr": frozenset({"tr"}),
    **dict.fromkeys(["tbody", "thead", "tfoot"], frozenset({"tr", "tbody", "thead", "tfoot"})),
}
"""What ends by itself where one of these begins."""
_NOT_THROUGH = {"p": _BLOCKS, "li": frozenset({"ol", "ul"})}
"""Through what an end tag does not reach."""
_BLANKS = re.compile(r"\s+")
_LOOKED_BACK = 8
"""Open elements among which a format that was closed in the wrong order is sought."""
_OPENED_AGAIN_MAX = 500_000
"""Formats that a parser may have to open again, each in every element behind: that many nodes fit into its memory."""
_TINY = re.compile(r"\s*[012](?:px)?\s*", re.ASCII)


class TooMuchError(Exception):
    """The HTML has more of something than a sanitiser bears; the message says what."""


@dataclass(slots=True)
class _Open:
    name: str
    unclosed: int
    """How many formats were waiting to be opened again when it began."""


@dataclass(slots=True)
class _Link:
    host: str
    text: str = ""


class Guard:
    """Reads one HTML part.  What is counted stands in it afterwards."""

    def __init__(self) -> None:
        """Start with nothing read."""
        self.backgrounds = 0
        """Pictures behind something; they are always left out."""
        self.pixels = 0
        """Pictures too small to be seen: they tell that the mail is read, and are always left out."""
        self._pieces: list[str] = []
        self._open: list[_Open] = []
        self._names: Counter[str] = Counter()
        self._unclosed = 0
        self._opened_again = 0
        self._tags = 0
        self._link: _Link | None = None

    def read(self, html: str) -> str:
        """Return the HTML with nothing but tags and attributes that may stay.  Raises TooMuchError."""
        if html.count("&") > REFERENCES_MAX:
            raise TooMuchError(f"more than {REFERENCES_MAX} letters written as references")
        at = 0
        for match in MARKUP.finditer(html):
            self._text(html[at : match.start()])
            at = match.end()
            if match["stray"] is not None:
                self._text(match["stray"])
            elif match["name"] is not None:
                self._tag(match["name"].lower(), bool(match["end"]), match["attributes"])
        self._text(html[at:])
        self._end_link()
        return "".join(self._pieces)

    def _text(self, text: str) -> None:
        if not text:
            return
        self._pieces.append(text.replace("<", "&lt;"))
        self._name_in_link(text)

    def _name_in_link(self, text: str) -> None:
        """Keep what a link says of itself; a browser shows any blanks as one."""
        if self._link is not None and len(self._link.text) < _LINK_TEXT:
            self._link.text += _BLANKS.sub(" ", text)[:_LINK_TEXT]

    def _tag(self, name: str, is_end: bool, attributes: str) -> None:
        if is_end and name == "br":
            is_end = False  # HTML 13.2.6.4.7
        self._tags += 1
        if self._tags > 2 * HTML_TAGS:
            raise TooMuchError(f"more than {HTML_TAGS} elements")
        if name not in TAGS:
            return
        if is_end:
            self._end(name)
        elif name in _TABLE and not self._names["table"]:
            return  # A parser passes over it, too.
        else:
            self._begin(name, attributes)

    def _begin(self, name: str, attributes: str) -> None:
        kept = self._attributes(name, attributes)
        if kept is None:
            return
        if name in _EMPTY:
            self._pieces.append(f"<{name}{kept}>")
            return
        self._end_by_itself(name)
        self._opened_again += self._unclosed
        if self._opened_again > _OPENED_AGAIN_MAX:
            raise TooMuchError("formats that are opened again and again")
        self._open.append(_Open(name, self._unclosed))
        self._names[name] += 1
        if len(self._open) + self._unclosed > HTML_DEPTH:
            raise TooMuchError(f"elements more than {HTML_DEPTH} deep")
        self._pieces.append(f"<{name}{kept}>")

    def _end_by_itself(self, name: str) -> None:
        if name in _ROWS:
            self._end_cell()
        ends = _ENDS.get(name, frozenset({"p"}) if name in _BLOCKS else frozenset())
        while self._open and self._open[-1].name in ends:
            self._close()

    def _end_cell(self) -> None:
        """A cell ends where the next one begins, whatever is open in it (HTML 13.2.6.4.15)."""
        for at in range(len(self._open) - 1, -1, -1):
            name = self._open[at].name
            if name == "table":
                return
            if name in _CELLS:
                while len(self._open) > at:
                    self._close()
                return

    def _attributes(self, name: str, attributes: str) -> str | None:
        """Return those that may stay, quoted; None where the whole tag is better left out."""
        if len(attributes) < 2:
            return ""
        found: dict[str, str] = {}
        for count, (key, *values) in enumerate(
            (match.groups("") for match in ATTRIBUTE.finditer(attributes)), 1
        ):
            if count > ATTRIBUTES_MAX:
                raise TooMuchError(f"a tag with more than {ATTRIBUTES_MAX} attributes")
            found.setdefault(key.lower(), "".join(values))
        if "background" in found or ("style" in found and safe_style(found["style"])[1]):
            self.backgrounds += 1
        if name == "img" and _is_pixel(found):
            self.pixels += 1
            return None
        if name == "img":
            self._name_in_link(found.get("alt", ""))
        if name == "a":
            self._end_link()  # The next one ends it (HTML 13.2.6.4.7).
            self._begin_link(found)
        allowed = ATTRIBUTES.get(name, frozenset()) | _ALL
        return "".join(
            f' {key}="{value.replace(chr(34), "&quot;")}"'
            for key, value in found.items()
            if key in allowed and len(value) <= _VALUE_MAX
        )

    def _begin_link(self, found: dict[str, str]) -> None:
        """Say in a link's title where it leads; what the mail itself writes there is left out."""
        found.pop("title", None)
        host = host_of(entities.unescape(found.get("href", ""))[:4096])
        if host:
            found["title"] = entities.escape(host)
            self._link = _Link(host)

    def _end_link(self) -> None:
        """Show the true host behind a link that names another one (safety.md T8: links that lie)."""
        link, self._link = self._link, None
        if link is None:
            return
        named = hosts_in(entities.unescape(link.text))
        if named and not all(_is_of(link.host, host) for host in named):
            self._pieces.append(f" [{entities.escape(link.host)}]")

    def _end(self, name: str) -> None:
        if name == "a":
            self._end_link()
        if not self._names[name]:
            self._end_nothing(name)
            return
        if name in _FORMATS or name in _INLINE:
            self._end_inline(name)
        else:
            self._end_block(name)
        self._pieces.append(f"</{name}>")

    def _end_inline(self, name: str) -> None:
        """Close it, if only its like stands in between; a format that does stays open (HTML 13.2.6.4.7)."""
        first = max(len(self._open) - _LOOKED_BACK, 0)
        for at in range(len(self._open) - 1, first - 1, -1):
            between = self._open[at].name
            if between == name:
                stay = [one for one in self._open[at + 1 :] if one.name in _FORMATS]
                while len(self._open) > at:
                    self._names[self._open.pop().name] -= 1
                self._open.extend(stay)
                self._names.update(one.name for one in stay)
                return
            if between not in _FORMATS and between not in _INLINE:
                return

    def _end_nothing(self, name: str) -> None:
        """An end tag of a format that was closed by what stands around it is heard; any other is none."""
        if name in _FORMATS:
            self._pieces.append(f"</{name}>")

    def _end_block(self, name: str) -> None:
        """Close a block with what is open in it, unless it stands outside of the table cell at hand."""
        at = len(self._open) - 1
        while self._open[at].name != name:
            is_inside = name in _TABLE or name == "table"
            barrier = self._open[at].name
            if barrier == "table" or (barrier in _CELLS and not is_inside):
                return
            if name in _NOT_THROUGH and barrier in _NOT_THROUGH[name]:
                return
            at -= 1
        while len(self._open) > at + 1:
            self._close()
        self._close()

    def _close(self) -> None:
        element = self._open.pop()
        self._names[element.name] -= 1
        if element.name in _CELLS:
            self._unclosed = (
                element.unclosed
            )  # A parser forgets the formats of a cell with the cell.
        elif element.name in _FORMATS:
            self._unclosed += 1


def _is_pixel(found: dict[str, str]) -> bool:
    return any(_TINY.fullmatch(found.get(side, "")) for side in ("width", "height"))


def _is_of(host: str, named: str) -> bool:
    """Whether what a link names is where it leads: the host, a part of its domain, or that domain."""
    return host == named or host.endswith(f".{named}") or named.endswith(f".{host}")
