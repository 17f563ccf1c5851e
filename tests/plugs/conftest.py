"""Plugs as packages that are installed beside maild, in a folder of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Install = Callable[..., None]

_HEAD = """
from __future__ import annotations
import os, sys, time
from maild.model.client_card import ClientCard, ClientPage

class Base:
    maild_contract = 1
    def __init__(self, options): self.options = options
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Return what installs a plug: its name, the text of its class, and its kind."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))

    def installed(
        name: str, text: str, kind: str = "maild.directories", package: str | None = None
    ) -> None:
        # A module is imported once in a process: each test has its own.
        module = package or f"plug_{name}_{tmp_path.name}"
        (folder / f"{module}.py").write_text(_HEAD + text)
        about = folder / f"{module}-1.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1\n")
        (about / "entry_points.txt").write_text(f"[{kind}]\n{name} = {module}:Plug\n")

    return installed
