"""Forwards: how sure maild says to be, and how often it is right; and email-forward-parser on the same mails (F1).

python benchmarks/forwards.py [--write]

Four corpora: every client and language of `tests/parse/layouts` after every change of `tests/parse/forwarding_changes.py`, the same after every
damage, replies to each, and the mails of `../shared/eml` that say what they forward.  `--write` puts the tables into docs/forwards.md.  The comparison needs
`pip install email-forward-parser` and is left out without it.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from maild.model.filing import SURE_ENOUGH  # noqa: E402
from maild.parse import read_letter  # noqa: E402
from maild.parse.forward import find_forward  # noqa: E402
from tests.parse.forwarding import Hand, Original, layouts, quoted  # noqa: E402
from tests.parse.forwarding_changes import CHANGES, DAMAGED, Forward, forwards  # noqa: E402

SAMPLES = ROOT.parent / "shared" / "eml"
PAGE = ROOT / "docs" / "forwards.md"
BEGIN, END = "<!-- measured -->\n", "<!-- /measured -->\n"
REPLIED = "On Wed, May 7, 2025 at 10:15 AM Ann Lee <ann@firm.example> wrote:"
BANDS = (0.97, 0.9, SURE_ENOUGH, 0.7, 0.6, 0.5, 0.01)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One mail, whom it really quotes, and what each reader makes of it."""

    corpus: str
    client: str
    language: str
    name: str
    expected: str | None
    """None: nobody may be named."""
    ours: str | None
    confidence: float
    theirs: str | None


Parser = Callable[[str, str], str | None]


def other_parser() -> Parser | None:
    """Return email-forward-parser as a function of subject and text; None where it is not installed."""
    try:
        module: Any = importlib.import_module("emailforwardparser.forward_parser")
    except ImportError:
        return None

    def read(subject: str, text: str) -> str | None:
        try:
            found = module.get_forwarded_metadata(text.strip(), subject)
        except (ValueError, IndexError, AttributeError, TypeError):
            return None
        return (found.email.from_.address or None) if found.forwarded else None

    return read


def cases(parser: Parser | None) -> Iterator[Case]:
    for corpus, changes in (("changed", CHANGES), ("damaged", DAMAGED)):
        for forward in forwards(changes):
            if not _leaves_nothing(forward):
                # Of damaged mails the other one names the older person in half the cases, and takes minutes for it.
                yield _case(corpus, forward, parser if corpus == "changed" else None)
    yield from replies(parser)
    yield from samples(parser)


def replies(parser: Parser | None) -> Iterator[Case]:
    """Yield replies to each forward: they forward nothing."""
    for layout in layouts():
        history = quoted(layout.write(Original(), Hand()))
        subject = f"Re: {layout.prefix} Offer 4711"
        text = f"Yes, do that.\n\n{REPLIED}\n\n{history}"
        found = find_forward(subject=subject, text=text, html=None, attached=[]).original
        yield Case(
            corpus="replies",
            client=layout.client,
            language=layout.language,
            name=f"{layout.name}, answered",
            expected=None,
            ours=found.from_.address if found and found.from_ else None,
            confidence=found.confidence if found else 0.0,
            theirs=parser(subject, text) if parser else None,
        )


def _leaves_nothing(forward: Forward) -> bool:
    """Tell whether a damage took the one line that a client writes: an older forward below it is then the outermost."""
    shape = forward.layout.shape
    return "lost" in forward.change.name and (shape.glued or not shape.order)


def _case(corpus: str, forward: Forward, parser: Parser | None) -> Case:
    subject, text, html = forward.subject, forward.text, forward.html
    found = find_forward(subject=subject, text=text, html=html, attached=[]).original
    return Case(
        corpus=corpus,
        client=forward.layout.client,
        language=forward.layout.language,
        name=forward.name,
        expected=forward.original.from_.address,
        ours=found.from_.address if found and found.from_ else None,
        confidence=found.confidence if found else 0.0,
        theirs=parser(subject, text) if parser and not html else None,
    )


def samples(parser: Parser | None) -> Iterator[Case]:
    manifest = SAMPLES / "manifest.json"
    if not manifest.exists():
        return
    for entry in json.loads(manifest.read_text(encoding="utf-8"))["files"]:
        expect = entry["expect"]
        if "forwarded_original" not in expect or expect.get("attached_messages"):
            continue
        letter = read_letter((SAMPLES / entry["file"]).read_bytes())
        found = letter.forwarded
        original = expect["forwarded_original"] or {}
        expected = original.get("from_address")
        yield Case(
            corpus="samples",
            client=entry["file"],
            language="",
            name=entry["file"],
            expected=expected.lower() if expected else None,
            ours=found.from_.address.lower() if found and found.from_ else None,
            confidence=found.confidence if found else 0.0,
            theirs=(parser(letter.subject, letter.text) or "").lower() or None if parser else None,
        )


def outcome(named: str | None, expected: str | None) -> str:
    if named is None:
        return "nobody" if expected else "right"
    return "right" if named == expected else "wrong"


def table(head: list[str], rows: Iterable[list[object]]) -> str:
    lines = [head, ["---"] * len(head), *[[str(cell) for cell in row] for row in rows]]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def band(confidence: float) -> float:
    return next((floor for floor in BANDS if confidence >= floor), 0.0)


def calibration(found: list[Case]) -> str:
    counts: Mapping[float, Counter[str]] = defaultdict(Counter)
    for case in found:
        counts[band(case.confidence)][outcome(case.ours, case.expected)] += 1
    rows: list[list[object]] = []
    for floor in (*BANDS, 0.0):
        named = counts[floor]["right"] + counts[floor]["wrong"]
        if floor and named:
            share = 100 * counts[floor]["right"] / named
            rows.append([f"{floor:.2f}", named, counts[floor]["wrong"], f"{share:.1f} %"])
    rows.append(["names nobody", sum(counts[0.0].values()), "", ""])
    return table(["confidence from", "named", "wrong person", "right"], rows)


def comparison(found: list[Case]) -> str:
    rows: list[list[object]] = []
    for corpus in ("changed", "damaged", "replies", "samples"):
        some = [case for case in found if case.corpus == corpus and not _is_html(case)]
        readers = (("maild", "ours"), ("email-forward-parser", "theirs"))
        for reader, named in readers[: 1 if corpus == "damaged" else 2]:
            counts = Counter(outcome(getattr(case, named), case.expected) for case in some)
            rows.append(
                [corpus, reader, len(some), counts["right"], counts["nobody"], counts["wrong"]]
            )
    return table(["mails", "reader", "count", "right", "nobody", "wrong person"], rows)


def _is_html(case: Case) -> bool:
    return "HTML only" in case.name


def lost(found: list[Case]) -> list[str]:
    """Return the mails that the other one reads rightly and we do not."""
    return [
        f"{case.name}: {case.theirs}"
        for case in found
        if case.corpus != "damaged"
        and not _is_html(case)
        and outcome(case.theirs, case.expected) == "right"
        and outcome(case.ours, case.expected) != "right"
    ]


def clients(found: list[Case]) -> str:
    """Return a row for each client: its languages, and in how many of its changed mails the sender is right."""
    by_client: Mapping[str, list[Case]] = defaultdict(list)
    for case in found:
        if case.corpus == "changed":
            by_client[case.client].append(case)
    rows: list[list[object]] = []
    for client, some in by_client.items():
        languages = sorted({case.language for case in some})
        ours = Counter(outcome(case.ours, case.expected) for case in some)
        theirs = Counter(outcome(case.theirs, case.expected) for case in some)
        sure = sum(case.confidence >= SURE_ENOUGH for case in some)
        rows.append(
            [
                client,
                f"{len(languages)}: {' '.join(languages)}",
                len(some),
                f"{ours['right']} ({sure})",
                ours["wrong"],
                theirs["right"],
                theirs["wrong"],
            ]
        )
    return table(
        ["client", "languages", "mails", "right (sure)", "wrong", "other's right", "other's wrong"],
        rows,
    )


def languages(found: list[Case]) -> str:
    """Return for each language and client in how many of its changed mails the sender is right."""
    counts: Mapping[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for case in found:
        if case.corpus == "changed":
            said = outcome(case.ours, case.expected)
            counts[case.language.lower(), case.client.partition(",")[0]][said] += 1
    columns = sorted({client for _, client in counts})
    rows: list[list[object]] = []
    for language in sorted({language for language, _ in counts}):
        cells = [counts.get((language, client), Counter()) for client in columns]
        rows.append([language, *(_share(cell) for cell in cells)])
    return table(["", *columns], rows)


def _share(counts: Counter[str]) -> str:
    total = sum(counts.values())
    if not total:
        return ""
    return str(total) if counts["right"] == total else f"{counts['right']}/{total}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    other = other_parser()
    found = list(cases(other))
    text = f"{clients(found)}\n{languages(found)}\n{calibration(found)}"
    if other:
        text += f"\n{comparison(found)}"
    print(text)
    if other:
        print("read rightly by email-forward-parser and not by maild:", lost(found))
    if arguments.write:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}", "utf-8")


if __name__ == "__main__":
    main()
