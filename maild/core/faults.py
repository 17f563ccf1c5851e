"""What an operator must fix, as code, exit status and sentence: for faces, which do not know the store."""

from __future__ import annotations

from dataclasses import dataclass

from maild.config import ConfigError
from maild.model.reason import EX_CONFIG, EX_TEMPFAIL, Reason, RefusedError
from maild.model.way import Way, way_of
from maild.store.engine import DurabilityError, StoreDownError
from maild.store.migrate import SchemaError

EX_WRONG_USAGE = 2
"""The command line's own status for wrong usage; sysexits' EX_USAGE is the pipe's."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong."""

    code: str
    exit: int
    message: str
    actions: tuple[str | Way, ...] = ()
    """The ways out."""

    @property
    def ways(self) -> tuple[Way, ...]:
        """The same, each with its code."""
        return tuple(way_of(one) if isinstance(one, str) else one for one in self.actions)


class FaultError(Exception):
    """A fault that a layer above core found: it carries its own code, status and sentence."""

    def __init__(self, fault: Fault) -> None:
        """Keep the fault."""
        super().__init__(fault.message)
        self.fault = fault


def fault_of(error: BaseException) -> Fault | None:  # noqa: PLR0911 - a table, a row for each fault
    """Return what a known exception means; None for what nobody foresaw."""
    match error:
        case FaultError():
            return error.fault
        case RefusedError():
            wrong = error.reason is Reason.ACCOUNT_NEEDED
            status = EX_WRONG_USAGE if wrong else error.reason.value.exit
            return Fault(error.reason.code, status, str(error), error.ways)
        case ConfigError():
            return Fault("CONFIG", EX_CONFIG, str(error))
        case SchemaError():
            return Fault("SCHEMA_OUTDATED", EX_CONFIG, _sentence(error), ("maild db upgrade",))
        case DurabilityError():
            return Fault("DATABASE_NOT_DURABLE", EX_CONFIG, _sentence(error))
        case StoreDownError():
            return Fault("STORE_DOWN", EX_TEMPFAIL, f"The database does not answer: {error}.")
        case UnicodeEncodeError():
            return Fault(
                "USAGE", EX_WRONG_USAGE, "An argument is not text in this machine's encoding."
            )
        case _:
            return None


def _sentence(error: Exception) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."
