"""Walking every invariant of the stored data; changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from maild.core.app import App
from maild.store import doctor
from maild.store.doctor_checks import Finding


@dataclass(frozen=True, slots=True)
class Report:
    """What was checked, and what is broken."""

    checks: tuple[str, ...]
    broken: tuple[Finding, ...]


def examine(app: App, told: Callable[[int], None] = lambda _: None) -> Report:
    """Check everything on one consistent view.  `told` hears how many bodies were read so far.

    Reads only, and works beside a running daemon.  Raises StoreDownError.
    """
    with app.store.read() as tx:
        broken = [
            *doctor.findings(tx.connection),
            *doctor.body_findings(tx.connection, app.store.bodies, told),
        ]
    return Report(tuple(doctor.sentences()), tuple(broken))
