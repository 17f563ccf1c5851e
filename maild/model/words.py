"""Words as search compares them: the same for mails and for what is searched, on every database (M6).  Pure.

Compatibility forms, case and diacritics do not count; scripts without spaces are cut into pairs of characters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from maild.model.plain_text import few_marks

WORD_MAX = 64
"""Characters of a word that count; a longer one is found by its beginning."""

_AT_ONCE = 64 * 1024
"""Characters of a text whose words are found all at once; of a longer one no more than are asked for."""
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")
_RUN = re.compile(r"[^\W_]+")
_PAIRED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
"""Scripts that put no spaces between words."""
_PAIRED_RUN = re.compile("[" + "".join(f"{chr(one)}-{chr(end)}" for one, end in _PAIRED) + "]+")


def folded(text: str) -> str:
    """Return the text without what does not count: compatibility forms, case, diacritics."""
    if text.isascii():
        return text.lower()
    bare = unicodedata.normalize("NFKD", few_marks(text).casefold())
    kept = _BEYOND_ASCII.sub(_without_marks, bare)
    # Once more: what a compatibility form stands for may have a case of its own.
    return unicodedata.normalize("NFC", kept).casefold()


def _without_marks(run: re.Match[str]) -> str:
    return "".join(char for char in run.group() if unicodedata.category(char) != "Mn")


def words_of(text: str) -> Iterator[str]:
    """Give the words of a text in order.

    A run without spaces is its pairs of characters, and then its last character alone: so a single one is found, too.
    """
    text = folded(text)
    if text.isascii() and len(text) <= _AT_ONCE:
        words: list[str] = _RUN.findall(text)
        if max(map(len, words), default=0) > WORD_MAX:
            words = [word[:WORD_MAX] for word in words]
        return iter(words)
    return (word for run in _RUN.finditer(text) for word in _words_of_run(run.group()))


def asked_words(text: str) -> tuple[tuple[str, ...], bool]:
    """Return the words that are asked for, and whether the last one is only the beginning of a word."""
    words = list(words_of(text))
    is_prefix = bool(words) and text.rstrip().endswith("*")
    if words and _is_paired(words[-1]):
        if len(words) > 1 and words[-2] != words[-1] and words[-2][-1] == words[-1]:
            words.pop()  # The run may go on there.
        else:
            is_prefix = True  # A single character begins a pair, unless it stands alone.
    return tuple(words), is_prefix


def _is_paired(word: str) -> bool:
    return len(word) == 1 and _PAIRED_RUN.fullmatch(word) is not None


def _words_of_run(run: str) -> Iterator[str]:
    if run.isascii():
        yield run[:WORD_MAX]
        return
    at = 0
    for paired in _PAIRED_RUN.finditer(run):
        if paired.start() > at:
            yield run[at : paired.start()][:WORD_MAX]
        found = paired.group()
        yield from (found[one : one + 2] for one in range(len(found) - 1))
        yield found[-1]
        at = paired.end()
    if at < len(run):
        yield run[at:][:WORD_MAX]
