"""Finds plugs by their entry points, and makes one: whatever is wrong with it becomes one sentence for the operator."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from maild.model.plain_text import short
from maild.plugs.contracts import CONTRACT, SOCKETS, Kind


class PlugError(Exception):
    """A plug cannot be had, or does not keep its contract; the message says which, why, and what to do."""


def plug_names(kind: Kind) -> list[str]:
    """Return what is installed."""
    return sorted({found.name for found in entry_points(group=kind)})


def load(kind: Kind, name: str, options: Mapping[str, str]) -> Any:
    """Make a plug.  Raises PlugError."""
    point = _find(kind, name)
    try:
        make = point.load()
    except Exception as error:
        raise PlugError(
            f"The plug {name} ({point.value}) cannot be imported: {said(error)}"
        ) from error
    version = getattr(make, "maild_contract", None)
    if version != CONTRACT:
        raise PlugError(
            f"The plug {name} ({point.value}) keeps version {short(str(version))} of the contract, and this maild needs "
            f"{CONTRACT}: install the plug's version for it, or set maild_contract = {CONTRACT} once it does."
        )
    try:
        made = make(dict(options))
    except Exception as error:
        raise PlugError(f"The plug {name} does not begin: {said(error)}") from error
    if not isinstance(made, SOCKETS[kind]):
        [method] = [word for word in vars(SOCKETS[kind]) if not word.startswith("_")]
        raise PlugError(f"The plug {name} has no method {method}: it is none of {kind}.")
    return made


def _find(kind: Kind, name: str) -> EntryPoint:
    found = [point for point in entry_points(group=kind) if point.name == name]
    if not found:
        there = ", ".join(plug_names(kind)) or "none"
        raise PlugError(
            f"There is no plug {short(name)} of {kind}; installed are: {there}. "
            "Install its package into maild's own environment."
        )
    if len({point.value for point in found}) > 1:
        values = " and ".join(point.value for point in found)
        raise PlugError(f"Two plugs of {kind} are called {name}: {values}. Remove one.")
    return found[0]


def said(error: BaseException) -> str:
    """Return what an exception says, in one short line."""
    text = " ".join(str(error).split())
    return short(f"{type(error).__name__}: {text}" if text else type(error).__name__, 300)
