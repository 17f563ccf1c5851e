"""The demo is a promise of the README: it must come true."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.real
@pytest.mark.slow
def test_the_demo_puts_every_mail_where_it_says() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "maild", "demo", "--once"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FILED_FORWARD" in done.stdout
    assert "SENDER_NOT_VERIFIED" in done.stdout
    assert "as expected" in done.stderr
