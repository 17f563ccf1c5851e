"""maild beside Debian's Postfix on the same machine and disk: rows 1 to 4 of docs/performance.md.

python benchmarks/against_postfix.py [--rounds 3] [--rows 1,2,3,4] [--mails 3000]

Each measurement runs both sides in turn, round after round, and prints medians, min-max and the ratio.  The bars are
printed beside the ratios and decide nothing.  Needs root (Postfix drops its rights by itself), no TLS on either side.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import select
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from _client import Load, Sent, mixed_mails, send, small_mails
from _postfix import RECIPIENT, MeasuredPostfix

from maild.testing.installation import Installation, a_small_company
from maild.testing.postfix import is_installed

LOOK_S = 0.02
"""How often the end of filing or delivering is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One line of the table."""

    row: int
    name: str
    sessions: int
    mix: bool = False
    keeps_open: bool = True
    until_filed: bool = True
    is_p99: bool = False
    bar: str = ""


ROWS = (
    Measurement(row=1, name="4 KB filed, 50 sessions", sessions=50, bar="2, then 5"),
    Measurement(row=1, name="4 KB filed, 10 sessions", sessions=10, bar="1.5, then 2.5"),
    Measurement(row=1, name="4 KB filed, 1 session", sessions=1, bar="1, then 1.2"),
    Measurement(
        row=1, name="4 KB filed, 10, a session a mail", sessions=10, keeps_open=False, bar="1.2, then 1.5"
    ),
    Measurement(row=2, name="mix filed, 10 sessions", sessions=10, mix=True, bar="1.5, then 2"),
    Measurement(row=2, name="mix filed, 50 sessions", sessions=50, mix=True, bar="1.5, then 2"),
    Measurement(row=3, name="4 KB accepted, 10 sessions", sessions=10, until_filed=False, bar="3"),
    Measurement(row=3, name="4 KB accepted, 50 sessions", sessions=50, until_filed=False, bar="3"),
    Measurement(row=3, name="mix accepted, 10 sessions", sessions=10, mix=True, until_filed=False, bar="1.3"),
    Measurement(
        row=4, name="p99 dot to 250, 50 sessions (ms)", sessions=50, until_filed=False, is_p99=True, bar="0.5 or less"
    ),
)  # fmt: skip


class Sides:
    """Both servers, running: maild as it is installed, and Postfix as each row needs it."""

    def __init__(self, folder: Path) -> None:
        self.maild = Installation(folder / "maild")
        self.postfixes = {
            "delivers": MeasuredPostfix(delivers=True),
            "holds": MeasuredPostfix(),
            "holds, no delay": MeasuredPostfix(in_flow_delay="0"),
        }

    @contextmanager
    def running(self, *, accepts_only: bool) -> Iterator[Sides]:
        self.maild.make()
        a_small_company(self.maild)
        self.maild.start(*(("--only", "doors") if accepts_only else ()))
        for postfix in self.postfixes.values():
            postfix.start()
        try:
            yield self
        finally:
            self.maild.stop()
            for postfix in self.postfixes.values():
                postfix.stop()

    def filed(self) -> bool:
        """Whether nothing waits to be decided."""
        return self._is_empty("SELECT 1 FROM deliveries WHERE due_at IS NOT NULL LIMIT 1")

    def at_rest(self) -> bool:
        """Whether search knows all that was filed, too: it follows when nothing waits to be decided."""
        return self._is_empty("SELECT 1 FROM search_queue WHERE done < times LIMIT 1")

    def _is_empty(self, question: str) -> bool:
        with closing(sqlite3.connect(self.maild.folder / "maild.db")) as database:
            return database.execute(question).fetchone() is None


def measure(sides: Sides, what: Measurement, mails: list[bytes], *, ours: bool) -> float:
    """Send the mails to one side; return mails a second, or the 99th percentile in milliseconds."""
    kind = "delivers" if what.until_filed else "holds, no delay" if what.is_p99 else "holds"
    postfix = sides.postfixes[kind]
    if not ours:
        postfix.empty()
    begin = time.perf_counter()
    sent = in_a_process(
        Load(
            port=sides.maild.smtp if ours else postfix.port,
            mails=mails,
            sessions=what.sessions,
            recipient=RECIPIENT,
            keeps_open=what.keeps_open,
        )
    )
    seconds = sent.seconds
    if what.until_filed:
        done = sides.filed if ours else lambda: postfix.delivered() >= len(mails)
        wait_for(done)
        seconds = time.perf_counter() - begin
    if what.is_p99:
        return statistics.quantiles(sent.waits, n=100)[98] * 1000
    return len(mails) / seconds


def in_a_process(load: Load) -> Sent:
    """Send from a process of its own, which has the mails already: it is forked."""
    receiving, sending = multiprocessing.Pipe(duplex=False)

    def run() -> None:
        sending.send(send(load))

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    sending.close()
    try:
        sent: Sent = receiving.recv()
    except EOFError:
        raise SystemExit("the client failed; see above") from None
    process.join()
    return sent


def wait_for(done: Callable[[], bool]) -> None:
    while not done():
        select.select([], [], [], LOOK_S)


def flush_cost(folder: Path) -> float:
    """Return the milliseconds of one appended page and its flush on this disk, the median of 200."""
    times = []
    with (folder / "flush").open("wb", buffering=0) as file:
        for _ in range(200):
            begin = time.perf_counter()
            file.write(b"x" * 4096)
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - begin)
    return statistics.median(times) * 1000


def shown(values: list[float]) -> str:
    return f"{statistics.median(values):7.1f} ({min(values):.1f}-{max(values):.1f})"


def compare(sides: Sides, what: Measurement, options: argparse.Namespace) -> None:
    ours: list[float] = []
    theirs: list[float] = []
    behind: list[float] = []
    count = max(20, options.mails // (8 if what.mix else 3 if what.sessions == 1 else 1))
    for number in range(options.rounds):
        for side in (True, False) if number % 2 == 0 else (False, True):
            if options.only and side != (options.only == "maild"):
                continue
            tag = f"{what.row}.{what.sessions}.{number}.{time.monotonic_ns()}"
            mails = (mixed_mails if what.mix else small_mails)(count, tag, RECIPIENT)
            (ours if side else theirs).append(measure(sides, what, mails, ours=side))
            if side and what.until_filed:
                begin = time.perf_counter()
                wait_for(sides.at_rest)
                behind.append(time.perf_counter() - begin)
    line = f"{what.row}  {what.name:34}"
    line += f" maild {shown(ours)}" if ours else ""
    line += f"  Postfix {shown(theirs)}" if theirs else ""
    if ours and theirs:
        ratio = statistics.median(ours) / statistics.median(theirs)
        line += f"  ratio {ratio:.2f}  bar {what.bar}"
    if behind:
        line += f"  search {statistics.median(behind):.1f} s behind"
    print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mails", type=int, default=3000)
    parser.add_argument("--rows", default="1,2,3,4")
    parser.add_argument("--only", choices=("maild", "postfix"), help="leave the other side out")
    options = parser.parse_args()
    if not is_installed():
        raise SystemExit("needs Debian's Postfix, and root to start it")
    wanted = {int(row) for row in options.rows.split(",")}
    with tempfile.TemporaryDirectory(prefix="maild-bench-") as folder:
        print(
            f"{os.cpu_count()} cores, one flush {flush_cost(Path(folder)):.2f} ms, "
            f"{options.rounds} rounds, medians (min-max), no TLS"
        )
        for accepts_only in (False, True):
            rows = [row for row in ROWS if row.row in wanted and row.until_filed != accepts_only]
            if rows:
                with Sides(Path(folder) / str(accepts_only)).running(
                    accepts_only=accepts_only
                ) as sides:
                    for what in rows:
                        compare(sides, what, options)


if __name__ == "__main__":
    main()
