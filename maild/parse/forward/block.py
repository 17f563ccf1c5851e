"""Finding and reading one block of header lines as mail clients write them above an original."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from maild.parse.forward.languages import Field, tables
from maild.parse.forward.lines import Lines, fold
from maild.parse.forward.mailbox_line import has_address
from maild.parse.forward.subject import read_subject

LABEL_MAX = 48
VALUE_MAX = 4 * 1024
LIST_MAX = 64 * 1024
"""A longer line is no header line.  Lists of recipients may be long, where the client does not wrap them."""
BLANKS_BETWEEN = 3
_WRAPPED_MAX: Mapping[Field, int] = {
    Field.FROM: 2,
    Field.TO: 40,
    Field.CC: 40,
    Field.SUBJECT: 5,
    Field.OTHER: 40,
    Field.DATE: 1,
}
"""How many further lines a field may be wrapped over."""
_COMMA = re.compile("[,;]")
_TECHNICAL = re.compile(r"(?:x|arc|content|list|resent|thread)-[a-z0-9-]+")
_REQUIRED = (Field.TO, Field.DATE, Field.SUBJECT)
_NEVER_TWICE = (Field.FROM, Field.TO, Field.DATE)
_LISTS = (Field.TO, Field.CC, Field.OTHER)


@dataclass(slots=True)
class Block:
    """A header block; fields that are not there are empty."""

    start: int
    depth: int
    languages: frozenset[str]
    """In which every label has the meaning it was read with."""
    end: int = 0
    """The number of the first line below."""
    values: dict[Field, str] = field(default_factory=dict)
    """Wrapped values keep their line ends."""
    from_twice: bool = False
    repeats: bool = False
    """It began with Subject, and From, To or Date follow at once again: the first ones may be a wrapped subject's."""
    spaced: bool = False
    """Blank lines stand between the header lines."""
    rest: str = ""
    """What stands behind the last header on the same line, where a client lost its line ends."""

    @property
    def weight(self) -> int:
        """How many of To, Date and Subject it has."""
        return sum(name in self.values for name in _REQUIRED)

    @property
    def has_from(self) -> bool:
        """Whether a From label was read."""
        return Field.FROM in self.values

    @property
    def complete(self) -> bool:
        """Whether nothing is missing that a client always writes."""
        return self.has_from and self.weight == len(_REQUIRED)

    def value(self, name: Field) -> str:
        """Return a value on one line."""
        return " ".join(self.values.get(name, "").split())


def split_label(content: str) -> tuple[str, str]:
    """Return the folded label of a line and its value; an empty label where the line has none."""
    head = content[:LABEL_MAX]
    at = head.find(":")
    wide = head.find("\uff1a")
    if wide >= 0 and (at < 0 or wide < at):
        at = wide
    if at < 1:
        return "", content
    label = fold(head[:at])
    value = content[at + 1 :].strip()
    if label and content[0] in "*_":
        value = value.lstrip("*_ ")
        value = value if "*" in value[:-1] else value.removesuffix("*").rstrip()
    return label, value


def meanings(content: str) -> tuple[Mapping[str, Field], str]:
    """Return what a line's label means in each language, and its value; nothing where it is no header line."""
    label, value = split_label(content)
    known = tables().labels.get(label, {}) if label else {}
    if not known and "-" in label and _TECHNICAL.fullmatch(label):
        known = tables().every
    if known:
        limit = LIST_MAX if any(name in _LISTS for name in known.values()) else VALUE_MAX
        if len(content) > limit:
            return {}, content
    return known, value


class BlockReader:
    """Reads the block that begins at one line.  Looks at no more than a few hundred lines."""

    def __init__(
        self, lines: Lines, *, english_labels: bool = False, bare_subject: str = ""
    ) -> None:
        """`english_labels`: only From is in the client's language.  `bare_subject`: of the outer mail, folded."""
        self._lines = lines
        self._english = english_labels
        self._bare_subject = bare_subject

    def read(self, start: int) -> Block | None:
        """Return the block whose first header line is this one; None where it is no header line."""
        block = self._begin(start)
        if block is None:
            return None
        last = self._take(block, start)
        while last is not None:
            block.end, last = last, self._next(block, last)
        return block

    def _begin(self, start: int) -> Block | None:
        line = self._lines[start]
        known, value = meanings(line.content)
        if known:
            languages = tables().languages if self._english and "en" in known else frozenset(known)
            return Block(start, line.depth, languages, end=start + 1)
        if self._english and self._is_strange_from(start, value):
            return Block(start, line.depth, frozenset({"en"}), end=start + 1)
        return None

    def _is_strange_from(self, start: int, value: str) -> bool:
        """Below Gmail's separator stands From, then English Date and Subject; so From is known in any language."""
        line = self._lines[start]
        label, _ = split_label(line.content)
        if not label or not has_address(value) or len(line.content) > VALUE_MAX:
            return False
        below = [
            meanings(self._lines[at].content)[0].get("en")
            for at in range(start + 1, min(start + 3, len(self._lines)))
        ]
        return below == [Field.DATE, Field.SUBJECT]

    def _take(self, block: Block, at: int) -> int | None:
        """Take the header line `at` with its wrapped lines into the block; return the line after them, or None."""
        known, value = meanings(self._lines[at].content)
        if not known and at == block.start:
            name, languages = Field.FROM, block.languages
        else:
            fitting = self._fitting(block, known)
            if fitting is None:
                return None
            name, languages = fitting
        if name in block.values and name is not Field.OTHER:
            block.from_twice |= name is Field.FROM and not block.complete
            return None
        block.languages = languages
        block.values[name] = value
        wrapped = self._wrapped(block, name, at + 1)
        block.values[name] = "\n".join(
            [value, *(self._lines[number].content for number in range(at + 1, wrapped))]
        )
        return wrapped

    def _fitting(
        self, block: Block, known: Mapping[str, Field]
    ) -> tuple[Field, frozenset[str]] | None:
        """Choose the meaning that most languages still possible for the block give the label."""
        if self._english and "en" in known:
            known = dict.fromkeys(block.languages, known["en"]) | dict(known)
        return _meaning_of_most(known, block.languages, block.values)

    def _next(self, block: Block, at: int) -> int | None:
        """Take the next header line if it still belongs to the block."""
        following = self._lines.next_written(at, within=BLANKS_BETWEEN)
        if following is None or self._lines[following].depth != block.depth:
            return None
        if following > at and not self._may_follow_blank(block, following):
            return None
        taken = self._take(block, following)
        block.repeats |= taken is None and following == at and self._repeats(block, at)
        block.spaced |= taken is not None and following > at
        return taken

    def _repeats(self, block: Block, at: int) -> bool:
        fitting = self._fitting(block, meanings(self._lines[at].content)[0])
        begun_with_subject = next(iter(block.values)) is Field.SUBJECT
        return begun_with_subject and fitting is not None and fitting[0] in _NEVER_TWICE

    def _may_follow_blank(self, block: Block, at: int) -> bool:
        """Past a blank line, only what is plainly missing is still taken for a header, so that bodies are left alone."""
        known, value = meanings(self._lines[at].content)
        fitting = self._fitting(block, known)
        if fitting is None:
            return False
        name = fitting[0]
        if block.complete and not (block.spaced and name in {Field.CC, Field.OTHER}):
            return False
        if name in {Field.FROM, Field.TO, Field.CC}:
            return has_address(value)
        return name is not Field.DATE or any(char.isdigit() for char in value)

    def _wrapped(self, block: Block, name: Field, at: int) -> int:
        """Return the first line from `at` on that does not belong to the value that was just begun."""
        if name is Field.SUBJECT and (told := self._subject_told(block, at)) > at:
            return told
        if block.complete:
            return self._wrapped_last(block, name, at)
        limit = _WRAPPED_MAX[name]
        end = at
        while end < len(self._lines) and end - at <= limit:
            line = self._lines[end]
            if line.blank or line.depth != block.depth:
                return self._wrapped_last(block, name, at)
            known, _ = meanings(line.content)
            if known and self._fitting(block, known) is not None:
                return end if self._is_new(block, known) else self._wrapped_last(block, name, at)
            if len(line.content) > VALUE_MAX:
                break
            end += 1
        return self._wrapped_last(block, name, at)

    def _is_new(self, block: Block, known: Mapping[str, Field]) -> bool:
        """Tell whether a label, met while a value goes on, is a header of this block not read yet."""
        fitting = self._fitting(block, known)
        if fitting is None:
            return False
        return fitting[0] is Field.OTHER or fitting[0] not in block.values

    def _wrapped_last(self, block: Block, name: Field, at: int) -> int:
        """No header follows, so the body may begin at once: take only what is plainly a continuation."""
        if name is Field.SUBJECT:
            return self._subject_end(block, at)
        end = at
        if name not in _LISTS and name is not Field.FROM:
            return end
        value = block.values[name]
        while end < len(self._lines) and end - at < _WRAPPED_MAX[name]:
            line = self._lines[end]
            if line.blank or line.depth != block.depth or len(line.content) > VALUE_MAX:
                break
            if meanings(line.content)[0] or not _goes_on(value, line.content):
                break
            value = line.content
            end += 1
        return end

    def _subject_told(self, block: Block, at: int) -> int:
        """Take what the outer subject repeats, whatever it looks like: a stranger may have put labels into a subject."""
        value = read_subject(block.values[Field.SUBJECT]).bare
        end = at
        while value and end < min(at + _WRAPPED_MAX[Field.SUBJECT], len(self._lines)):
            line = self._lines[end]
            value = f"{value} {fold(line.content)}"
            if line.blank or line.depth != block.depth or not self._bare_subject.startswith(value):
                break
            end += 1
        return end

    def _subject_end(self, block: Block, at: int) -> int:
        """The outer subject, where it repeats the inner one, tells how far a wrapped subject reaches."""
        value = fold(block.values[Field.SUBJECT])
        if not value or not self._bare_subject or self._bare_subject in value:
            return at
        for end in range(at, min(at + _WRAPPED_MAX[Field.SUBJECT], len(self._lines))):
            line = self._lines[end]
            if line.blank or line.depth != block.depth:
                break
            value = f"{value} {fold(line.content)}"
            if value.endswith(self._bare_subject):
                return end + 1
        return at


def _goes_on(value: str, following: str) -> bool:
    """Tell whether a list of mailboxes plainly continues on the next line."""
    if not value:
        return False
    if value[-1] in ",;" or value.count("<") > value.count(">"):
        return has_address(following)
    *whole, begun = _COMMA.split(value)
    if whole and has_address(whole[-1]) and not has_address(begun):
        # A name that was torn from its address.
        return has_address(_COMMA.split(following, maxsplit=1)[0])
    return following.endswith((">", ">,", ">;")) and has_address(following)


def read_glued(rest: str) -> Block | None:
    """Read a block whose lines were glued together behind its separator (Yahoo's text parts).

    Labels are taken in the order in which they stand, each once, and none behind Subject.
    """
    rest = rest[:VALUE_MAX]
    spots = _glued_spots(rest)
    if not spots or rest[: spots[0].at].strip():
        return None
    block = Block(0, 0, spots[-1].languages)
    for number, spot in enumerate(spots):
        until = spots[number + 1].at if number + 1 < len(spots) else len(rest)
        if spot.name in block.values:
            block.from_twice = True
        block.values.setdefault(spot.name, rest[spot.behind : until].lstrip("* ").rstrip())
    return block


@dataclass(frozen=True, slots=True, kw_only=True)
class _Glued:
    name: Field
    languages: frozenset[str]
    """In which all labels up to this one have their meaning."""
    at: int
    behind: int


def _glued_spots(rest: str) -> list[_Glued]:
    """Find labels with a colon in one line, all of them known in one language."""
    found: list[_Glued] = []
    languages = tables().languages
    start = 0
    while (colon := rest.find(":", start)) >= 0 and not (found and found[-1].name is Field.SUBJECT):
        spot = _label_before(rest, start, colon, languages)
        if spot is not None:
            found.append(spot)
            languages = spot.languages
        start = colon + 1
    return found


def _label_before(rest: str, start: int, colon: int, languages: frozenset[str]) -> _Glued | None:
    """Return the longest label that ends at this colon."""
    if fold(rest[max(start, colon - 6) : colon]) == "mailto":
        return None
    for begin in range(max(start, colon - 24), colon):
        if rest[begin] == " ":
            continue
        known = tables().labels.get(fold(rest[begin:colon]), {})
        fitting = _meaning_of_most(known, languages)
        if fitting is not None:
            name, languages = fitting
            return _Glued(name=name, languages=languages, at=begin, behind=colon + 1)
    return None


def _meaning_of_most(
    known: Mapping[str, Field], languages: frozenset[str], taken: Collection[Field] = ()
) -> tuple[Field, frozenset[str]] | None:
    """Choose the meaning that most of the languages give a label, one that is not taken if there is any."""
    by_name: dict[Field, set[str]] = {}
    for language in languages & known.keys():
        by_name.setdefault(known[language], set()).add(language)
    if not by_name:
        return None
    free = {name: found for name, found in by_name.items() if name not in taken}
    name, found = max((free or by_name).items(), key=lambda item: (len(item[1]), item[0]))
    return name, frozenset(found)
