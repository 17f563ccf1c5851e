"""What the index of search holds of a mail, and how it is asked: one list of tokens, the same for every database (M6).  Pure.

A token begins with its account, so that no account's words cost or show another's anything; then a letter says what it is:

    5        every mail of account 5            5_offer  a word of the mail       5s_offer  a word of the subject
    5n_plan  a word of an attachment's name     5f_anna  a word of a From name
    5f17     from the address or domain 17      5t17     to it                    5c17      with it in Cc
    5a       with an attachment
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from maild.model.words import asked_words, words_of

WORDS_MAX = 10_000
"""Words of a mail's text that are indexed, from its beginning; PostgreSQL knows positions up to 16,383."""
FIELD_MAX = 500
"""Words of each other field."""
ADDRESSES_MAX = 1_000
TEXT_MAX = 400_000
"""Characters of a text that are looked at."""
BYTES_MAX = 500_000
"""Octets of a mail's tokens; PostgreSQL keeps up to a megabyte."""
REPEATS_MAX = 255
"""Places of one word that count; PostgreSQL keeps as many."""
GAP = "0"
"""Stands where words of one field end, so that no phrase reaches over: accounts count from 1, and nothing asks for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """What search knows of a mail."""

    account_id: int
    subject: str = ""
    names: tuple[str, ...] = ()
    """Names and addresses of who wrote it."""
    recipients: tuple[str, ...] = ()
    """Names and addresses in To and Cc."""
    text: str = ""
    attachments: tuple[str, ...] = ()
    has_attachment: bool = False
    senders: frozenset[int] = frozenset()
    """Ids in the address book, of addresses and of their domains."""
    to: frozenset[int] = frozenset()
    cc: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Phrase:
    """Tokens that follow each other; the last one may be the beginning of a word."""

    tokens: tuple[str, ...]
    is_prefix: bool = False


@dataclass(frozen=True, slots=True)
class Clause:
    """One of the phrases must be there; or, none of them may."""

    any_of: tuple[Phrase, ...]
    is_not: bool = False


def every_mail(account_id: int) -> Clause:
    """Return what all mails of an account have."""
    return Clause((Phrase((str(account_id),)),))


def tokens_of(mail: Indexed) -> list[str]:
    """Return a mail's tokens in their places, GAP where a place is empty."""
    tokens = list(_placed(mail))
    counted = Counter(tokens)
    is_short = len(" ".join(tokens).encode()) < BYTES_MAX
    return tokens if is_short and max(counted.values()) <= REPEATS_MAX else _cut(tokens)


def _cut(tokens: Iterable[str]) -> list[str]:
    """Return as many tokens, and as many of each, as databases keep."""
    kept: list[str] = []
    seen: Counter[str] = Counter()
    left = BYTES_MAX
    for token in tokens:
        left -= len(token.encode()) + 1
        if left < 0:
            break
        seen[token] += 1
        kept.append(token if seen[token] <= REPEATS_MAX else GAP)
    return kept


def _placed(mail: Indexed) -> Iterator[str]:
    account = str(mail.account_id)
    yield account
    if mail.has_attachment:
        yield f"{account}a"
    for letter, ids in (("f", mail.senders), ("t", mail.to), ("c", mail.cc)):
        yield from (f"{account}{letter}{one}" for one in sorted(ids)[: 2 * ADDRESSES_MAX])
    fields = (("s", (mail.subject,)), ("f", mail.names), ("", mail.recipients))
    for letter, texts in (*fields, ("n", mail.attachments)):
        words = _words(texts, FIELD_MAX)
        if letter:
            yield from _marked(f"{account}{letter}_", words)
        yield from _marked(f"{account}_", words)
    yield from _marked(f"{account}_", _words((mail.text,), WORDS_MAX))


def _words(texts: Iterable[str], most: int) -> list[str]:
    """Return words of texts, a gap between each two."""
    words: list[str] = []
    for number, text in enumerate(texts):
        if len(words) >= most:
            break
        if number:
            words.append("")
        words.extend(islice(words_of(text[:TEXT_MAX]), most - len(words)))
    return words


def _marked(mark: str, words: Iterable[str]) -> list[str]:
    return [GAP, *(mark + word if word else GAP for word in words)]


def phrase_of(account_id: int, letter: str, text: str) -> Phrase:
    """Return how words are asked for; a text that ends in * asks for words that begin so."""
    words, is_prefix = asked_words(text)
    return Phrase(tuple(f"{account_id}{letter}_{word}" for word in words), is_prefix)
