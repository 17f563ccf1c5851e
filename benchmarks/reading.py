"""Reading mails: maild's whole reading (kind, text, forward, identity) against mail-parser alone, in one run.

Both read the same mails on one core, interleaved, three rounds, by the processor's time; then the worker processes read them on all cores.
Prints medians with min-max and the ratio.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import mailparser

from maild.parse import ReaderPool, read_letter

ROUNDS = 3


def mails(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.rglob("*.eml"))]


def mail_parser(raw: bytes) -> None:
    try:
        parsed = mailparser.parse_from_bytes(raw)
        _ = (parsed.subject, parsed.from_, parsed.to, parsed.cc, parsed.body, parsed.attachments)
    except Exception:  # noqa: BLE001 - it raises on some broken mails; that is its reading of them
        return


def rate(read: Callable[[bytes], object], contents: list[bytes]) -> float:
    began = time.process_time()  # Of this process alone: others at work change nothing.
    for content in contents:
        read(content)
    return len(contents) / (time.process_time() - began)


def pool_rate(contents: list[bytes]) -> float:
    with ReaderPool(2) as pool:
        list(pool.read_many(contents[:8]))
        began = time.perf_counter()
        for _ in pool.read_many(contents):
            pass
        return len(contents) / (time.perf_counter() - began)


def show(name: str, rates: list[float]) -> float:
    middle = statistics.median(rates)
    print(
        f"{name:34} {middle:8.0f} mails/s   ({min(rates):.0f}-{max(rates):.0f}, {len(rates)} rounds)"
    )
    return middle


def main() -> None:
    root = Path(__file__).parent.parent
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", nargs="?", type=Path, default=root / "fixtures" / "eml")
    contents = mails(options.parse_args().folder) * 5
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    ours: list[float] = []
    theirs: list[float] = []
    pool: list[float] = []
    for _ in range(ROUNDS):
        ours.append(rate(read_letter, contents))
        theirs.append(rate(mail_parser, contents))
        pool.append(pool_rate(contents))
    print(f"{len(contents)} mails, {sum(map(len, contents)) // len(contents)} octets on average")
    middle = show("maild, one core", ours)
    peer = show("mail-parser alone, one core", theirs)
    show("maild, two worker processes", pool)
    print(f"ratio maild / mail-parser on one core: {middle / peer:.2f}")


if __name__ == "__main__":
    main()
