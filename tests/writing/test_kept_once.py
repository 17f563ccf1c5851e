"""What is written once is sent once, whatever fails behind it (M8)."""

from __future__ import annotations

import pytest

import maild.core.writing
from maild.store.engine import StoreDownError
from tests.writing.conftest import Office


@pytest.mark.parametrize("fault", [StoreDownError("database is locked"), OSError("no reader")])
def test_M8_a_mail_that_is_kept_is_told_as_written_though_deciding_it_fails(
    office: Office, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def fails(*_: object) -> None:
        raise fault

    asked = office.asks()
    with monkeypatch.context() as patched:
        patched.setattr(maild.core.writing, "decide_again", fails)
        written = office.reply(asked)
    assert written.id is not None
    assert len(office.sends()) == 1
    from datetime import timedelta

    office.clock.advance(timedelta(seconds=11))
    office.post.decide()
    assert office.shown(written)["state"] == "filed"
