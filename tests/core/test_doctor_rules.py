"""What the doctor finds of rules (M11)."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from maild.core.app import OPERATOR, App
from maild.core.clients import NewClient, add_client
from maild.core.doctor import examine
from maild.core.rules import add_rule
from maild.store.rule_tables import rules
from tests.core.company import a_company
from tests.core.test_filing import an_inbox_of_beta


@pytest.mark.parametrize("given", ["status_id", "client_id"])
def test_M11_the_doctor_finds_a_rule_that_gives_what_is_another_accounts(
    app: App, given: str
) -> None:
    a_company(app)
    add_rule(app, "offers", "subject contains offer: status = Waiting", on=True, by=OPERATOR)
    an_inbox_of_beta(app)
    add_client(app, NewClient(name="Beta's"), account="beta", by=OPERATOR)
    assert examine(app).broken == ()
    with app.store.write() as tx:
        beta = tx.views.accounts()["beta"]
        theirs = {
            "status_id": next(iter(tx.mailbox.status_names(beta).values())),
            "client_id": tx.clients.clients_of(beta, after=0, limit=1)[0].id,
        }
        tx.connection.execute(
            update(rules).values({given: theirs[given]}).where(rules.c.removed_at.is_(None))
        )
    [found] = examine(app).broken
    assert found.check == "a rule gives an owner, a status and a client of its own account (M11)"
    with app.store.write() as tx:  # Every test ends with what is sound.
        tx.connection.execute(update(rules).values(status_id=None, client_id=None))
