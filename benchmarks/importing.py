"""How fast old mail comes in: `maild import` of an mbox, against the standard library copying the same mbox to a Maildir.

    .venv/bin/python benchmarks/importing.py [MAILS]

The standard library's `mailbox` reads and writes each mail and decides nothing; maild also reads, decides, files and indexes it.
"""

from __future__ import annotations

import mailbox
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from maild.__main__ import run_here
from maild.testing.installation import Installation, a_small_company

INBOX = "info@acme.example"


def an_mbox(path: Path, count: int) -> None:
    """Write mails of 1 to 4 KiB, every third from a client."""
    with path.open("w") as file:
        for number in range(count):
            sender = "anna@rossi.example" if number % 3 == 0 else f"x{number}@world.example"
            text = f"word {number} of a letter that is not short\n" * (20 + number % 60)
            file.write(
                f"From {sender} Tue Nov 17 10:00:00 2020\nFrom: {sender}\nTo: {INBOX}\n"
                f"Subject: Old {number}\nDate: Tue, 17 Nov 2020 10:00:00 +0000\n"
                f"Message-ID: <old-{number}@bench>\n\n{text}\n\n"
            )


def copied(source: Path, target: Path) -> float:
    """Return how long the standard library takes to copy it."""
    begun = time.perf_counter()
    box = mailbox.Maildir(target)
    for mail in mailbox.mbox(source):
        box.add(mail)
    return time.perf_counter() - begun


def imported(place: Installation, source: Path) -> float:
    """Return how long one run of the command takes, with its start."""
    begun = time.perf_counter()
    done = place.run("import", str(source), "--inbox", INBOX)
    if done.returncode != 0:
        raise subprocess.CalledProcessError(done.returncode, "maild import", stderr=done.stderr)
    return time.perf_counter() - begun


def main() -> None:
    """Measure, and print a line for each."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    with tempfile.TemporaryDirectory(prefix="maild-bench-") as folder:
        source = Path(folder) / "old.mbox"
        an_mbox(source, count)
        place = Installation(Path(folder) / "m", runs=run_here)
        place.make()
        a_small_company(place)
        for name, seconds in (
            ("mailbox: mbox to Maildir", copied(source, Path(folder) / "maildir")),
            ("maild import, first run", imported(place, source)),
            ("maild import, second run", imported(place, source)),
        ):
            print(f"{name:28} {count / seconds:8.0f} mails/s  {seconds:7.1f} s")


if __name__ == "__main__":
    main()
