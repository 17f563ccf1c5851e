"""Bytes of core as a response: a piece at a time, whatever their size and however slowly somebody reads them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from starlette.responses import Response, StreamingResponse

from maild.faces.api.problems import COMMON
from maild.threads import do

PIECE = 64 * 1024


class Content:
    """Bytes in memory, or a file that is open already: whoever erases it meanwhile takes it from nobody who reads."""

    def __init__(self, content: bytes | Path) -> None:
        """Open it.  Raises OSError."""
        self._bytes = content if isinstance(content, bytes) else None
        self._file: BinaryIO | None = None if isinstance(content, bytes) else content.open("rb")
        self.size = len(content) if isinstance(content, bytes) else content.stat().st_size

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield all of it, and close it; the file is read on a thread."""
        if self._bytes is not None:
            yield self._bytes
        if self._file is None:
            return
        with ExitStack() as stack:
            file = stack.enter_context(self._file)
            while piece := await do(file.read, PIECE):
                yield piece


def attachment(content: Content, name: str, kind: str) -> Response:
    """Return what a browser keeps as a file, and never shows as a page of ours; `name` is ASCII without quotes."""
    return StreamingResponse(
        content.pieces(),
        headers={
            **COMMON,
            "Content-Type": kind,
            "Content-Length": str(content.size),
            "Content-Disposition": f'attachment; filename="{name}"',
            "Content-Security-Policy": "sandbox; default-src 'none'",
        },
    )
