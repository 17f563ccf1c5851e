#!/usr/bin/env python3
"""`make fuzz`: damaged mails by the million, until one of them does what no mail may do.

Reads COUNT mutants (default 1,000,000) in maild's own reading processes, sends every hundredth through a running
daemon, and shows as many header blocks to the strict From and to other parsers.  SEED is the number to begin with: a
run that was stopped goes on with the number that it printed last.  At the first offender its bytes are written to a
file in the current folder, and the exit status is 1.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import NoReturn

from maild.model.letter import Author, Letter, UnreadableError
from maild.parse import ReaderPool, codec
from maild.parse.strict_from import author_of, with_crlf
from maild.testing.authors import block_of, readings
from maild.testing.installation import Installation, a_small_company
from maild.testing.lmtp import Lmtp, whole
from maild.testing.mutation import mutant

ROOT = Path(__file__).resolve().parents[1]
COUNT = int(os.environ.get("COUNT", "1000000"))
SEED = int(os.environ.get("SEED", "1"))
PROCESSES = os.cpu_count() or 1
AT_ONCE = 2_000
"""Numbers between two lines of progress."""
DAEMON_SHARE = 100
DECIDED_S = 60
INBOX = "info@acme.example"


@cache
def samples() -> list[bytes]:
    """Return the mails that are damaged: the fixtures, and a larger collection beside the repository if there is one."""
    folders = (ROOT / "fixtures" / "eml", ROOT.parent / "shared" / "eml")
    return [path.read_bytes() for folder in folders for path in sorted(folder.rglob("*.eml"))]


def chunks() -> Iterator[range]:
    """Return all numbers, some at a time."""
    for start in range(SEED, SEED + COUNT, AT_ONCE):
        yield range(start, min(start + AT_ONCE, SEED + COUNT))


def say(text: str) -> None:
    """Show progress."""
    sys.stderr.write(text + "\n")


def fail(what: str, number: int, octets: bytes) -> NoReturn:
    """Keep the offender and end."""
    path = Path(f"fuzz-{what.split(maxsplit=1)[0].strip(':').lower()}-{number}.eml")
    path.write_bytes(octets)
    say(f"{what}\nnumber {number}, written to {path}")
    raise SystemExit(1)


def read_all() -> Counter[str]:
    """Read all mutants in the reading processes."""
    counts: Counter[str] = Counter()
    with ReaderPool(PROCESSES) as pool:
        for numbers in chunks():
            mails = [mutant(samples(), number) for number in numbers]
            for number, mail, outcome in zip(numbers, mails, pool.read_many(mails), strict=True):
                counts[type(outcome).__name__] += 1
                if isinstance(outcome, Letter):
                    if codec.load(codec.dump(outcome)) != outcome:
                        fail("Changed by being stored", number, mail)
                elif not isinstance(outcome, UnreadableError):
                    fail(f"Died: {outcome}", number, mail)
            say(f"read up to {numbers[-1]}: {dict(counts)}")
    return counts


def compare(numbers: range) -> tuple[int, int | None]:
    """Return how many From fields were accepted, and the first on which another parser disagrees."""
    accepted = 0
    for number in numbers:
        block = with_crlf(block_of(number))
        found = author_of(block)
        if isinstance(found, Author):
            accepted += 1
            if any(read != {found.address} for read in readings(block).values()):
                return accepted, number
    return accepted, None


def compare_all() -> int:
    """Compare all header blocks on all processors; return how many were accepted."""
    accepted = 0
    with ProcessPoolExecutor(PROCESSES) as processes:
        for numbers, (some, offender) in zip(
            chunks(), processes.map(compare, chunks()), strict=True
        ):
            accepted += some
            if offender is not None:
                fail("Disagreement about the author", offender, block_of(offender))
            if numbers[0] % (10 * AT_ONCE) < AT_ONCE:
                say(f"compared up to {numbers[-1]}: {accepted} accepted")
    return accepted


def asked(place: Installation, query: str) -> list[tuple[object, ...]]:
    """Look into the daemon's store."""
    with closing(sqlite3.connect(f"file:{place.folder / 'maild.db'}?mode=ro", uri=True)) as store:
        store.execute("PRAGMA busy_timeout = 30000")
        return store.execute(query).fetchall()


def send_some(place: Installation, numbers: Sequence[int]) -> float:
    """Send mutants through the daemon and wait until all are decided; return how long that took at the end."""
    digests: dict[str, int] = {}
    peer = Lmtp(place.lmtp, INBOX)
    for number in numbers:
        mail = whole(mutant(samples(), number))
        digests[hashlib.sha256(mail).hexdigest()] = number
        peer.send(mail)
    peer.close()
    began = time.monotonic()
    while asked(place, "SELECT 1 FROM deliveries WHERE state = 'received' LIMIT 1"):
        if time.monotonic() - began > DECIDED_S:
            fail("Undecided after a minute", numbers[-1], mutant(samples(), numbers[-1]))
        time.sleep(0.2)
    # A body, or the arrival of a mail that is known already (D6).
    query = "SELECT digest FROM bodies UNION SELECT digest FROM arrivals"
    found = {str(digest) for (digest,) in asked(place, query)}
    for digest, number in digests.items():
        if digest not in found:
            fail("Lost or altered", number, mutant(samples(), number))
    return time.monotonic() - began


def run_daemon() -> tuple[int, float]:
    """Send every hundredth mutant through a real daemon; return how many, and the longest wait at the end of a chunk."""
    folder = Path(tempfile.mkdtemp(prefix="maild-fuzz-"))
    place = Installation(folder / "m")
    numbers = range(SEED, SEED + COUNT, DAEMON_SHARE)
    longest = 0.0
    try:
        place.make()
        a_small_company(place)
        place.start()
        for start in range(0, len(numbers), AT_ONCE):
            longest = max(longest, send_some(place, numbers[start : start + AT_ONCE]))
            say(f"sent up to {numbers[start : start + AT_ONCE][-1]}")
        if place.stop() != 0 or place.run("doctor").returncode != 0:
            say(f"The daemon or its store is broken; see {place.log}")
            raise SystemExit(1)
    finally:
        place.kill()
    shutil.rmtree(folder)
    return len(numbers), longest


def main() -> None:
    """Run all three, and print the figures."""
    began = time.monotonic()
    counts = read_all()
    read = time.monotonic() - began
    accepted = compare_all()
    compared = time.monotonic() - began - read
    sent, longest = run_daemon()
    through = time.monotonic() - began - read - compared
    sys.stdout.write(
        f"{COUNT} mutants of {len(samples())} mails from number {SEED}: {dict(counts)}, in {read:.0f} s\n"
        f"{COUNT} header blocks, {accepted} accepted, no disagreement, in {compared:.0f} s\n"
        f"{sent} mutants through the daemon in {through:.0f} s, decided {longest:.1f} s after the last at most\n"
    )


if __name__ == "__main__":
    main()
