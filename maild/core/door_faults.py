"""What a door says of faults that are ours: always temporary, and never in the fault's own words."""

from __future__ import annotations

import errno
import logging
import secrets

from maild.model.reason import Answer, Reason

_log = logging.getLogger("maild.doors")


def internal_error(event: str, error: BaseException) -> Answer:
    """Log a fault of ours under a short name, and return what the peer hears of it: the name alone."""
    ref = secrets.token_hex(4)
    _log.error("%s ref=%s error=%s", event, ref, type(error).__name__, exc_info=error)
    return Answer(Reason.INTERNAL_ERROR, {"ref": ref})


def disk_full(error: OSError) -> Answer | None:
    """Return DISK_FULL if that is what the error says."""
    if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
        return None
    _log.error("disk_full error=%s", error.strerror)
    return Answer(Reason.DISK_FULL)


def disk_failure(error: OSError) -> Answer:
    """Return what the peer hears when its mail could not be written."""
    return disk_full(error) or internal_error("spool_failed", error)
