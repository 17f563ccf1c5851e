"""Collecting from one real Dovecot beside mbsync and getmail6: rows 5 to 8 of docs/performance.md.

python benchmarks/polling.py [--rounds 3] [--mails 2000] [--left 50000] [--rows 5,6,7,8]

Both sides in turn, round after round; medians, min-max and the ratio.  maild's rounds run as the daemon runs them, in a
process that is there already; mbsync and getmail6 are commands, and their start counts (67 ms of Python for getmail6).
Needs root, Dovecot, isync and getmail6.  The figures decide nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import shutil
import sqlite3
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

from _client import mixed_mails, small_mails

from maild.config import load
from maild.core import collect
from maild.core.app import OPERATOR, App, open_app
from maild.core.sources import source_row
from maild.daemon.lines import Lines
from maild.daemon.rounds import Rounds
from maild.model.clock import system_clock
from maild.testing.dovecot import Dovecot
from maild.testing.installation import Installation, a_small_company

USER = "info@acme.example"
FILED_S = 300.0
_ROUND = "SELECT round FROM sources"
_DONE = "SELECT count(*) FROM deliveries WHERE state <> 'received'"


class Bench:
    """A Dovecot, and a fresh installation or mail folder for each measurement."""

    def __init__(self, mails: Iterable[bytes]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="maild-bench-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.dovecot = Dovecot()
        self.dovecot.add_user(USER)
        self.dovecot.start()
        self.dovecot.fill(USER, (mail.removesuffix(b".\r\n") for mail in mails))
        self.count = self.dovecot.count(USER)
        (self.folder / "pw").touch(0o600)
        (self.folder / "pw").write_text("secret")
        self._fresh = 0

    def installation(self, kind: str) -> Installation:
        self._fresh += 1
        place = Installation(
            self.folder / f"m{self._fresh}", extra='[sources]\nallow_networks = ["127.0.0.0/8"]\n'
        )
        place.make()
        a_small_company(place)
        port = self.dovecot.imap if kind == "imap" else self.dovecot.pop
        place.cli(
            "source", "add", "box", "--inbox", USER, "--kind", kind, "--host", "127.0.0.1",
            "--port", str(port), "--tls", "none", "--username", USER,
            "--password-file", str(self.folder / "pw"), "--since", "all",
        )  # fmt: skip
        return place

    def mbsync(self) -> tuple[list[str], Path]:
        self._fresh += 1
        box = self.folder / f"mb{self._fresh}"
        box.mkdir()
        config = self.folder / f"mbsync{self._fresh}"
        config.write_text(
            f"IMAPAccount a\nHost 127.0.0.1\nPort {self.dovecot.imap}\nUser {USER}\nPass secret\nSSLType None\n"
            f"AuthMechs LOGIN\n\nIMAPStore far\nAccount a\n\nMaildirStore near\nPath {box}/\nInbox {box}/INBOX\n\n"
            "Channel c\nFar :far:\nNear :near:\nPatterns INBOX\nCreate Near\nSync Pull\nSyncState *\n"
        )
        return ["mbsync", "-q", "-c", str(config), "c"], box

    def getmail(self) -> tuple[list[str], Path]:
        self._fresh += 1
        box = self.folder / f"gm{self._fresh}"
        for name in ("cur", "new", "tmp"):
            (box / name).mkdir(parents=True)
        state = self.folder / f"gs{self._fresh}"
        state.mkdir()
        (state / "getmailrc").write_text(
            "[retriever]\ntype = SimplePOP3Retriever\nserver = 127.0.0.1\n"
            f"port = {self.dovecot.pop}\nusername = {USER}\npassword = secret\n"
            f"[destination]\ntype = Maildir\npath = {box}/\nuser = nobody\n[options]\nread_all = false\nverbose = 0\n"
            "delivered_to = false\nreceived = false\n"
        )
        # It refuses to deliver as root.
        for path in (state, state / "getmailrc", box, *box.iterdir()):
            shutil.chown(path, "nobody")
        return ["runuser", "-u", "nobody", "--", "getmail", "--getmaildir", str(state)], box

    def close(self) -> None:
        self.dovecot.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def run(command: list[str]) -> float:
    began = time.perf_counter()
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{command}: {done.stdout}{done.stderr}")
    return time.perf_counter() - began


def poll(app: App, place: Installation, *, is_full: bool = True, times: int = 1) -> list[float]:
    """Rounds as the daemon does them: IMAP on one open line, POP on a line each."""

    async def rounds() -> list[float]:
        lines = Lines(app, load(place.config, {}))
        source = source_row(app, "box", by=OPERATOR)
        claim = collect.claim(app, source, "bench", timedelta(hours=1))
        assert claim is not None
        each = Rounds(app, lines)
        spent = []
        began = time.perf_counter()
        client = await lines.imap(source) if source.kind == "imap" else None
        for _ in range(times):
            if client is not None:
                await each.poll_on(client, claim, lambda _: None, is_full=is_full)
            else:
                await each.poll(claim, lambda _: None)
            spent.append(time.perf_counter() - began)
            began = time.perf_counter()
        if client is not None:
            client.close()
        collect.give_up(app, claim)
        lines.close()
        return spent

    return asyncio.run(rounds())


def first(bench: Bench, kind: str) -> float:
    place = bench.installation(kind)
    app = open_app(load(place.config, {}))
    try:
        return bench.count / poll(app, place)[0]
    finally:
        app.store.close()


def filed(bench: Bench, kind: str) -> float:
    """From the beginning of the round, as the daemon writes it down, until the last is filed.

    What a command takes to start and the daemon to notice it, up to three seconds, is neither polling nor filing.
    """
    place = bench.installation(kind)
    place.cli("source", "pause", "box")
    place.start()
    time.sleep(3)
    place.cli("source", "resume", "box")
    end = time.perf_counter() + FILED_S
    with closing(sqlite3.connect(place.folder / "maild.db")) as database:
        said = None
        while database.execute(_DONE).fetchone()[0] < bench.count:
            if time.perf_counter() > end:
                raise RuntimeError("not everything was filed in time")
            said = said or database.execute(_ROUND).fetchone()[0]
            time.sleep(0.05)
        ended = system_clock()
        said = said or database.execute(_ROUND).fetchone()[0]
    place.stop()
    began = datetime.fromisoformat(json.loads(said)["began_at"])
    return bench.count / (ended - began).total_seconds()


def beside(bench: Bench, command: Callable[[], tuple[list[str], Path]]) -> float:
    words, box = command()
    spent = run(words)
    got = sum(1 for path in box.rglob("*") if path.is_file() and path.parent.name in {"cur", "new"})
    assert got == bench.count, f"{words[0]} took {got} of {bench.count}"
    return bench.count / spent


def report(
    row: str, what: str, ours: list[float], theirs: list[float], bar: str, unit: str
) -> None:
    def shown(values: list[float]) -> str:
        if not values:
            return "-"
        return f"{statistics.median(values):.1f} ({min(values):.1f}-{max(values):.1f})"

    ratio = statistics.median(ours) / statistics.median(theirs) if theirs else float("nan")
    print(
        f"{row}  {what:44} maild {shown(ours)}  other {shown(theirs)} {unit}  ratio {ratio:.2f}  bar {bar}",
        flush=True,
    )


def rows_5_6(arguments: argparse.Namespace) -> None:
    for load_name, make, bar in (("4 KB", small_mails, "4"), ("mix", mixed_mails, "1.4")):
        count = arguments.mails if load_name == "4 KB" else arguments.mails // 4
        bench = Bench(make(count, "b", USER))
        try:
            imap, mbsync, pop, getmail, both = [], [], [], [], []
            for _ in range(arguments.rounds):
                imap.append(first(bench, "imap"))
                mbsync.append(beside(bench, bench.mbsync))
                pop.append(first(bench, "pop"))
                getmail.append(beside(bench, bench.getmail))
                if 6 in arguments.rows:
                    both.append(filed(bench, "pop"))
            report("5", f"{load_name} stored, IMAP, against mbsync", imap, mbsync, bar, "mails/s")
            report("5", f"{load_name} stored, POP, against getmail6", pop, getmail, "20", "mails/s")
            if both:
                report(
                    "6",
                    f"{load_name} stored and filed, POP, against getmail6",
                    both,
                    getmail,
                    "5",
                    "mails/s",
                )
        finally:
            bench.close()


def row_7(arguments: argparse.Namespace) -> None:
    for left in (arguments.mails, arguments.left):
        bench = Bench(small_mails(left, "l", USER))
        try:
            imap_place, pop_place = bench.installation("imap"), bench.installation("pop")
            imap_app, pop_app = (open_app(load(one.config, {})) for one in (imap_place, pop_place))
            poll(imap_app, imap_place)
            poll(pop_app, pop_place)
            words, _ = bench.getmail()
            run(words)
            # The first round on a line compares everything; those after it ask for what is new.
            imap = poll(imap_app, imap_place, is_full=False, times=arguments.rounds + 1)[1:]
            pop, getmail = [], []
            for _ in range(arguments.rounds):
                pop += poll(pop_app, pop_place)
                getmail.append(run(words))
            report(
                "7",
                f"nothing new, {left} left, IMAP",
                [one * 1000 for one in imap],
                [],
                "flat",
                "ms",
            )
            report(
                "7", f"nothing new, {left} left, POP, against getmail6",
                [one * 1000 for one in pop], [one * 1000 for one in getmail], "0.33 or less", "ms",
            )  # fmt: skip
            imap_app.store.close()
            pop_app.store.close()
        finally:
            bench.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mails", type=int, default=2000)
    parser.add_argument("--left", type=int, default=50_000)
    parser.add_argument(
        "--rows", type=lambda text: {int(one) for one in text.split(",")}, default={5, 6, 7}
    )
    arguments = parser.parse_args()
    if arguments.rows & {5, 6}:
        rows_5_6(arguments)
    if 7 in arguments.rows:
        row_7(arguments)
    print(
        f"peak memory of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB"
    )


if __name__ == "__main__":
    main()
