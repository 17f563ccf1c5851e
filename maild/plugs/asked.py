"""The process that asks a directory: `python -m maild.plugs.asked`.

A plug is somebody else's program: it may hang, eat all memory, print, or end the process.  Here it harms nobody but its own
round: whoever started this kills it when its time is over.  Lines of JSON on stdin: which plug with which options, then
one cursor after the other; for each a line on stdout, a page or an error.  It ends when stdin ends.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from collections.abc import Iterator
from typing import Any

from maild.model.reason import RefusedError
from maild.plugs.contracts import Directory, Kind
from maild.plugs.loader import PlugError, load, said
from maild.plugs.pages import page_to_json

MEMORY_MAX = 2 * 2**30
ALARM_S = 180
"""After which a process ends whose parent died while the plug hung; a parent that lives is quicker."""


def main() -> None:
    """Answer until stdin ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX, MEMORY_MAX))
    # What a plug prints must not land between two answers.
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    for answer in _answers(sys.stdin):
        answers.write(answer + "\n")
        answers.flush()


def _answers(requests: Any) -> Iterator[str]:
    asked = json.loads(next(requests))
    signal.alarm(ALARM_S)
    try:
        plug = load(Kind.DIRECTORY, asked["plug"], asked["options"])
    except PlugError as error:
        yield _error(str(error))
        return
    signal.alarm(0)
    yield json.dumps({"ready": True})
    for line in requests:
        signal.alarm(ALARM_S)
        yield _page(plug, asked["account"], json.loads(line))


def _page(plug: Directory, account: str, since: str | None) -> str:
    try:
        return page_to_json(plug.changes(account, since))
    except (PlugError, RefusedError) as error:
        return _error(str(error))
    except Exception as error:  # noqa: BLE001 - whatever a plug raises is told
        return _error(said(error))


def _error(why: str) -> str:
    return json.dumps({"error": why})


if __name__ == "__main__":
    main()
