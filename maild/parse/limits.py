"""The counting limits of reading, and why each is what it is.

`read_letter` keeps all of these by itself; time and memory are kept by the pool.  What a limit cuts is said in
`Letter.degraded`; the stored bytes are never touched.
"""

from __future__ import annotations

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

HEADER_BLOCK: Final = 256 * KIB
"""Octets of a header block that are read.  Long trace and ARC chains stay below 100 KiB."""
FIELD: Final = 64 * KIB
"""Octets of one header field that are read.  A To field of 1,000 addresses is about that long."""
ADDRESSES: Final = 1_000
"""Mailboxes read from all fields of one name.  RFC 5321 4.5.3.1.8 asks for 100 recipients; lists go beyond."""
REFERENCES: Final = 200
"""Message-IDs kept of References; beyond that the first and the newest ones say the same."""
DELIVERED_TO: Final = 50
"""Addresses kept of Delivered-To and its kin; one per hop is usual, and loops are cut at 50 hops."""
SUBJECT: Final = 4 * KIB
"""Characters of a subject.  RFC 5322 2.1.1 makes one line 998 octets; nobody reads more than a few lines."""
NAME: Final = 1 * KIB
"""Characters of one display name."""
FILE_NAME: Final = 255
"""Characters of an attachment's name, as file systems have it."""
PARTS: Final = 1_000
"""Parts of one mail.  A newsletter has 50; a digest of a busy list some hundreds."""
DEPTH: Final = 100
"""Multiparts inside each other.  Real mail ends at about 10."""
PART_HEADER: Final = 64 * KIB
"""Octets of the header of one part."""
PARAMETERS: Final = 200
"""Parameters of one MIME field, pieces of RFC 2231 continuations included."""
TEXT: Final = 1 * MIB
"""Characters of the text kept with the reading: a book has less.  The stored mail keeps the rest."""
HTML: Final = 2_000_000
"""Octets of HTML that are kept and turned into text; beyond, building a tree costs too much."""
HTML_DEPTH: Final = 500
"""Elements inside each other: HTML parsers need quadratic time on nesting."""
HTML_TAGS: Final = 50_000
"""Elements, for the same reason; start and end tags together may be twice as many."""
TEXT_PARTS: Final = 100
"""Parts whose text is joined into the text of the mail."""
ORIGINALS: Final = 20
"""Attached messages that are read, one level deep; a digest's further ones stay attachments only."""
ORIGINAL_BODY: Final = 256 * KIB
"""Characters kept of an attached message's text."""
GUESS_SAMPLE: Final = 16 * KIB
"""Octets from which an undeclared charset is guessed; guessing costs some µs an octet."""

READ_SECONDS: Final = 10.0
"""Wall seconds for one mail, kept by the pool.  The slowest honest mail of 35 MiB takes about one."""
READ_CPU_SECONDS: Final = 15
"""CPU seconds for one mail, kept by the worker itself in case its parent is gone."""
READ_MEMORY: Final = 512 * MIB
"""Octets of address space that one reading may take beyond what the idle worker has."""
