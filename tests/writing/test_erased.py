"""Of a mail that was written here nothing is left when it is erased, and the installation is whole (H)."""

from __future__ import annotations

from sqlalchemy import select

from maild.core.app import OPERATOR
from maild.core.erasing import Erasure, erase
from maild.store.outbox_tables import outbox
from tests.writing.conftest import Office


def errands(office: Office) -> str:
    with office.app.store.read() as tx:
        return str(tx.connection.execute(select(outbox)).all())


def test_H_to_whom_it_went_goes_with_it_and_its_errands(office: Office) -> None:
    kept = office.compose("paul@rossi.example", subject="Stays")
    written = office.compose("xylophone@world.example", subject="xylophones")
    assert written.id is not None
    assert erase(office.app, Erasure(ids=(written.id,)), by=OPERATOR) == 0
    assert len(office.sends()) == 2
    assert "xylophone" in errands(office)
    assert erase(office.app, Erasure(ids=(written.id,)), by=OPERATOR) == 1
    assert "xylophone" not in errands(office)
    assert "Stays" in errands(office)
    assert office.shown(kept)["written"]["recipients"][0]["address"] == "paul@rossi.example"
    assert office.shown(written.id)["written"] is None
