"""What verification found out about a mail, fit to be stored.  Values only; nothing here asks anybody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """What came of one check."""

    PASS = "pass"  # noqa: S105 - the word of RFC 8601, and no password
    FAIL = "fail"
    """It was checked, and it is not so."""
    TEMPORARY = "temporary"
    """It could not be checked now; later it may be."""
    PERMANENT = "permanent"
    """It cannot be checked, now or later, or counts as not being there."""
    NONE = "none"
    """There is nothing to check."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One signature, chain or sender policy, and what came of it."""

    method: str
    """`dkim`, `arc` or `spf`."""
    domain: str
    """Who signed, sealed or sent; empty where that cannot be told.  From the mail: hostile, but canonical."""
    selector: str = ""
    outcome: Outcome
    words: str
    """A clause for the trace, without a full stop."""
    sealers: tuple[str, ...] = ()
    """Of a chain that is whole: everybody who sealed it, each of whom was trusted then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What verification found, fit to be stored."""

    findings: tuple[Finding, ...]
    proven: bool
    how: str
    """A clause for the trace: what proves the From, or why nothing does."""
    is_temporary: bool
    """Nothing proves it, but something that might could not be asked: hold, and verify again later."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON knows it."""
        return asdict(self)

    @staticmethod
    def from_dict(stored: Mapping[str, Any]) -> Verdict:
        """Read what `to_dict` wrote.  Raises ValueError for anything else."""
        try:
            return Verdict(
                findings=tuple(
                    Finding(
                        method=str(one["method"]),
                        domain=str(one["domain"]),
                        selector=str(one["selector"]),
                        outcome=Outcome(one["outcome"]),
                        words=str(one["words"]),
                        sealers=tuple(map(str, one.get("sealers", ()))),
                    )
                    for one in stored["findings"]
                ),
                proven=stored["proven"] is True,
                how=str(stored["how"]),
                is_temporary=stored["is_temporary"] is True,
            )
        except (KeyError, TypeError) as error:
            raise ValueError("what is stored is not a verdict") from error
