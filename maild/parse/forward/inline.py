"""Finding an inline original in a text: separators and header blocks from the top, the first that counts decides.

What lies below the line that introduces a reply's quotation belongs to the history of a conversation and is never
this mail's forward.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from textwrap import dedent

from maild.model.letter import Forwarded, How
from maild.parse.forward.attribution import Attribution, attribution_at, writer, written_at
from maild.parse.forward.block import Block, BlockReader, meanings, read_glued, split_label
from maild.parse.forward.languages import Field, Says
from maild.parse.forward.lines import Lines
from maild.parse.forward.mailbox_line import has_address, read_author, read_many
from maild.parse.forward.separator_line import Mark, less_closing, separator_on
from maild.parse.forward.subject import SubjectLine, read_subject

_VALUE_LOOKED_AT = 400
_BLANKS_BELOW_SEPARATOR = 5
_PIECES_WITHIN_LINES = 10
_STRANGE_HEADERS = 3
_HEADERS_MAX = 8
_CLOCK = re.compile(r"(?<!\d)\d{1,2}:\d\d(?!\d)")
_YEAR = re.compile(r"(?<!\d)\d{4}(?!\d)")
_NOTE_EDGE = "-_=*> \t\u00a0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inline:
    """What a text shows."""

    original: Forwarded | None = None
    note: str = ""
    looks_forwarded: bool = False
    is_reply: bool = False
    """The history of a conversation begins before anything is forwarded."""


def read_inline(text: str, subject: SubjectLine) -> Inline:
    """Find the outermost inline original.  Never raises; looks at the head of the text only, once."""
    return _Reader(Lines(text), subject).read()


class _Reader:
    """One walk from the top of a text to the first line that decides."""

    def __init__(self, lines: Lines, subject: SubjectLine) -> None:
        self._lines = lines
        self._subject = subject
        self._mark: Mark | None = None
        self._pieces: dict[Field, int] = {}
        self._no_header_to = 0
        self._strange: deque[str] = deque(maxlen=_HEADERS_MAX)

    def read(self) -> Inline:
        for at, raw in enumerate(self._lines.raw):
            # Most lines of most mails end here.
            if ":" not in raw and "--" not in raw and "__" not in raw and "\uff1a" not in raw:
                if raw.strip("> \t\u00a0"):
                    self._strange.clear()
                    self._mark = None
                continue
            found = self._at(at)
            if found is not None:
                return found
        return Inline()

    def _at(self, at: int) -> Inline | None:
        """Return the answer if this line gives it."""
        line = self._lines[at]
        mark = separator_on(line.content, at)
        if mark is not None:
            self._strange.clear()
            self._mark = mark
            return self._below_deciding(mark) if mark.separator.decides else None
        if known := meanings(line.content)[0]:
            found = None
            # A block may have any number of other lines; each of them must not be read on from anew.
            if at >= self._no_header_to or {*known.values()} != {Field.OTHER}:
                found = self._at_block(at)
            if found is not None:
                return found
        elif (above := attribution_at(self._lines, at)) is not None:
            return self._below_attribution(above, at)
        if not line.blank:
            self._mark = None
        if self._is_strange_block(line.content):
            # Headers in a language that we do not know: what stands below is not the outermost original.
            return Inline()
        return None

    def _below_deciding(self, mark: Mark) -> Inline:
        """Read below a separator that only forwards have."""
        depth = self._lines[mark.at].depth
        says = self._subject.says()
        if says is Says.REPLY and depth > 0:
            return Inline(is_reply=True)
        if self._is_inside_quotation(mark.at):
            return Inline()
        block = self._block_below(mark)
        if block is None:
            return self._headless(mark, says)
        confidence = (0.5, 0.7, 0.9, 0.97)[block.weight]
        if mark.behind:
            confidence = min(confidence, 0.9)
        if says is Says.REPLY:
            confidence = min(confidence, 0.7)
        elif says is None and depth > 0:
            confidence = min(confidence, 0.85)
        return self._found(block, mark.at, confidence, mark)

    def _block_below(self, mark: Mark) -> Block | None:
        if mark.behind:
            block = read_glued(mark.behind)
            if block is not None:
                block.end = mark.at + 1
                block.depth = self._lines[mark.at].depth
            return block
        first = self._lines.next_written(mark.at + 1, within=_BLANKS_BELOW_SEPARATOR)
        if first is None:
            return None
        reader = BlockReader(
            self._lines,
            english_labels=mark.separator.english_labels,
            bare_subject=self._subject.bare,
        )
        return reader.read(first)

    def _headless(self, mark: Mark, says: Says | None) -> Inline:
        """A separator with nothing readable below: a forward whose sender nobody can name."""
        if says is not Says.FORWARD:
            return Inline(looks_forwarded=says is None)
        first = self._lines.next_written(mark.at + 1, within=_BLANKS_BELOW_SEPARATOR)
        depth = self._lines[mark.at if first is None else first].depth
        original = Forwarded(
            from_=None,
            body=self._lines.below(mark.at + 1, depth=depth, first=mark.behind),
            how=How.INLINE,
            confidence=0.0,
        )
        return Inline(original=original, note=self._note(mark.at), looks_forwarded=True)

    def _at_block(self, at: int) -> Inline | None:
        """Read a block that no forward's own separator announced; the subject decides what it means."""
        block = BlockReader(self._lines, bare_subject=self._subject.bare).read(at)
        if block is None:
            return None
        if not self._is_header(block):
            self._no_header_to = block.end
            return None
        if not block.has_from or block.weight + (Field.CC in block.values) < 2:
            # What is left of the outermost header; the next one below would be somebody else's.
            return Inline()
        says = self._subject.says(block.languages)
        if says is Says.REPLY:
            return Inline(is_reply=True)
        start = self._mark.at if self._mark else at
        marked = self._mark is not None
        table = _SURE if says is Says.FORWARD else _UNSURE
        confidence = table.get((block.complete, marked))
        if confidence is None or self._is_inside_quotation(start):
            return Inline()
        if self._subject.strange_first:
            confidence = min(confidence, _MAY_BE_HISTORY)
        if confidence > _PASTED and self._may_be_pasted(block):
            confidence = _PASTED
        return self._found(block, start, confidence)

    def _may_be_pasted(self, block: Block) -> bool:
        """Tell whether a block of another subject may be the note's, with what the client itself forwarded below."""
        if read_subject(block.value(Field.SUBJECT)).bare == self._subject.bare:
            return False
        return any(
            mark.separator.decides and self._lines[at].depth == block.depth
            for at in range(block.end, len(self._lines))
            if (mark := separator_on(self._lines[at].content, at))
        )

    def _is_header(self, block: Block) -> bool:
        """Tell whether this is a header block or, with what stood just above, the pieces that wrapping left of one.

        An agenda's `Date:` and `Subject:` in the note are not.
        """
        for name in block.values:
            self._pieces[name] = block.start
        near = {
            name for name, at in self._pieces.items() if block.start - at <= _PIECES_WITHIN_LINES
        }
        if Field.FROM in near:
            return bool(near & {Field.TO, Field.DATE, Field.SUBJECT})
        return block.weight == 3 or (block.weight == 2 and has_address(block.value(Field.TO)))

    def _is_inside_quotation(self, start: int) -> bool:
        """Tell whether quoted text stands above: the original then began there, without a header that we could read."""
        first = self._lines.next_written(0, within=start)
        own = self._lines[start if first is None else first].depth
        above = (self._lines[at] for at in range(start))
        return self._lines[start].depth > own and any(
            line.depth > own and not line.blank for line in above
        )

    def _below_attribution(self, line: Attribution, at: int) -> Inline:
        """Read below the line that introduces a quotation: a reply's, unless the subject says "forward".

        Outlook 2019 for Mac forwards under such a line.  Others write it only into replies, so nothing is sure here.
        """
        depth = self._lines[at].depth
        below = self._lines.next_written(at + 1, within=_BLANKS_BELOW_SEPARATOR)
        from_ = writer(line.content)
        if (
            self._subject.says() is not Says.FORWARD
            or from_ is None
            or below is None
            or self._lines[below].depth > depth
            or self._is_inside_quotation(line.start)
        ):
            return Inline(is_reply=True)
        original = Forwarded(
            from_=from_,
            date=written_at(line.content, from_.address),
            body=self._indented_below(below, depth),
            how=How.INLINE,
            confidence=_ATTRIBUTED,
        )
        return Inline(original=original, note=self._note(line.start), looks_forwarded=True)

    def _indented_below(self, at: int, depth: int) -> str:
        """Return the text from a line on, less the indentation that all of it has."""
        head = self._lines.raw[at].partition(self._lines[at].content)[0]
        return dedent(head.replace(">", "") + self._lines.below(at, depth=depth)).strip()

    def _is_strange_block(self, content: str) -> bool:
        """Tell whether this line completes what has the looks of a header block: labels, an address, a full date.

        A signature has labels and an address, but no date with a year and a time.
        """
        label, value = split_label(content)
        if label and value and _is_label_like(label) and not value.startswith("//"):
            self._strange.append(value[:_VALUE_LOOKED_AT])
        elif content:
            self._strange.clear()
        return (
            len(self._strange) >= _STRANGE_HEADERS
            and any(has_address(value) for value in self._strange)
            and any(_CLOCK.search(value) and _YEAR.search(value) for value in self._strange)
        )

    def _found(
        self, block: Block, start: int, confidence: float, mark: Mark | None = None
    ) -> Inline:
        """`mark`: the forward's own separator; its client may have drawn a line below the original, too."""
        body = self._lines.below(block.end, depth=block.depth)
        from_ = None
        if block.has_from and not block.from_twice:
            from_ = read_author(block.values[Field.FROM])
        if block.repeats:
            confidence = min(confidence, _REPEATING)
        original = Forwarded(
            from_=from_,
            to=read_many(block.values.get(Field.TO, "")),
            cc=read_many(block.values.get(Field.CC, "")),
            subject=block.value(Field.SUBJECT),
            date=block.value(Field.DATE),
            body=less_closing(body, mark) if mark else body,
            how=How.INLINE,
            confidence=confidence if from_ else 0.0,
        )
        return Inline(original=original, note=self._note(start), looks_forwarded=True)

    def _note(self, start: int) -> str:
        # A line drawn above the block is not the forwarder's word.
        end = start
        while end and not self._lines.raw[end - 1].strip(_NOTE_EDGE):
            end -= 1
        return self._lines.above(end)


_SURE = {(True, True): 0.93, (True, False): 0.9, (False, True): 0.75, (False, False): 0.7}
"""With a forward prefix in the subject, by (complete, marked by a separator)."""
_UNSURE = {(True, True): 0.6, (True, False): 0.5, (False, True): 0.5}
"""Without any prefix: a reply may look the same."""
_MAY_BE_HISTORY = 0.75
"""The mail may be a reply in a language whose prefix we do not know."""
_REPEATING = 0.75
"""Below a Subject that may go on over lines which look like headers."""
_PASTED = 0.75
"""A block of another subject above a forward's own separator."""
_ATTRIBUTED = 0.6
"""Below a line that names writer and time, with a forward prefix in the subject."""


def _is_label_like(label: str) -> bool:
    return len(label.split()) <= 4 and not any(char.isdigit() or char in "@/<>" for char in label)
