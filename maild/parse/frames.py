"""The frames between pool and worker; apart, so that the parent need not load the readers."""

from __future__ import annotations

from typing import Final

LENGTH: Final = 4
"""Octets of a frame's length, big endian; the length counts the tag."""
RAW: Final = b"r"
"""To the worker: a mail's bytes."""
PATH: Final = b"p"
"""To the worker: the path of a file that holds them."""
SHOW: Final = b"s"
"""To the worker: what is wished, as JSON behind four octets of its length, and then one of the above with its tag."""
LETTER: Final = b"L"
"""From the worker: a letter as JSON."""
SHOWN: Final = b"S"
"""From the worker: what is shown, as JSON behind four octets of its length, and then its octets."""
NO_PART: Final = b"N"
"""From the worker: the mail has no such part."""
UNREADABLE: Final = b"U"
"""From the worker: why the mail is unreadable, in words."""
ERROR: Final = b"E"
"""From the worker: the type of an error of ours."""
