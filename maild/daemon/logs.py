"""Logs: one line an event, `event=value` pairs with ids; never addresses above debug, never bodies or secrets."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

import structlog

_PAIR = re.compile(r" (\w+)=(\S*)")
_EVENT = re.compile(r"(\w+)((?: \w+=\S*)+)")


def _split_pairs(logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Take `event key=value …`, as our modules write it with the standard library, apart into fields."""
    found = _EVENT.fullmatch(str(event.get("event")))
    if found is not None:
        event["event"] = found[1]
        event.update(_PAIR.findall(found[2]))
    return event


_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
    _split_pairs,
]


def set_up(level: str, form: str) -> None:
    """Send every log line of the process to stderr in one form: console, logfmt or json."""
    if form == "auto":
        form = "console" if sys.stderr.isatty() else "logfmt"
    renderers: dict[str, Any] = {
        "console": structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        "logfmt": structlog.processors.LogfmtRenderer(
            key_order=["timestamp", "level", "logger", "event"], bool_as_flag=False
        ),
        "json": structlog.processors.JSONRenderer(ensure_ascii=False),
    }
    output = logging.StreamHandler(sys.stderr)
    output.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                renderers[form],
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [output]
    root.setLevel(level.upper())
    for noisy in ("mail.log", "apscheduler", "asyncio", "alembic", "sqlalchemy"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
