"""Signing in and out over the API, and what a person does with the own login."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest
from sqlalchemy import select

from maild.core.app import App
from maild.settings import TermsSettings
from maild.store.outbox_tables import outbox
from maild.testing.world import World
from tests.api.served import Heard, Served, serving
from tests.core.conftest import Frozen

PASSWORD = "A password of good length"
EVA = "eva@acme.example"


@pytest.fixture
def served(acme: World, tmp_path: Path) -> Iterator[Served]:
    app = replace(acme.app, has_relay=True, public_url="https://mail.acme.example")
    with serving(app, tmp_path) as running:
        yield running


@pytest.fixture
def eva(served: Served, admin: str) -> str:
    """A session of Eva's."""
    new = {"password": PASSWORD}
    assert served.ask("PUT", f"/users/{EVA}/password", new, token=admin).status == 200
    return str(sign_in(served).body["token"])


def sign_in(served: Served, password: str = PASSWORD, **more: str) -> Heard:
    return served.ask("POST", "/login", {"name": EVA, "password": password, **more})


def mailed_secret(app: App) -> str:
    """Return the secret of the newest mailed link."""
    with app.store.read() as tx:
        payload = tx.connection.execute(
            select(outbox.c.payload).order_by(outbox.c.id.desc()).limit(1)
        ).scalar_one()
    found = re.search(r"https://mail\.acme\.example/[a-z-]+/(\S+)", payload["text"])
    assert found is not None, payload["text"]
    return found[1]


class TestSessions:
    def test_U10_a_session_acts_as_its_person_until_it_is_signed_out(
        self, served: Served, eva: str
    ) -> None:
        assert served.ask("GET", "/me", token=eva).body["user"]["email"] == EVA
        assert served.ask("DELETE", "/me/session", token=eva).status == 204
        assert served.ask("GET", "/me", token=eva).code == "TOKEN_REFUSED"

    def test_U10_wrong_names_and_wrong_passwords_are_one_answer(
        self, served: Served, eva: str
    ) -> None:
        wrong = sign_in(served, "wrong password")
        unknown = served.ask("POST", "/login", {"name": "no@one.example", "password": "x" * 12})
        assert (wrong.status, wrong.code) == (401, "SIGN_IN_REFUSED")
        assert wrong.raw == unknown.raw

    def test_too_many_tries_are_429(self, served: Served, eva: str) -> None:
        heard = [sign_in(served, "wrong password") for _ in range(12)]
        assert heard[-1].status == 429
        assert int(heard[-1].header["retry-after"]) > 60

    def test_a_person_lists_and_ends_the_own_sessions(self, served: Served, eva: str) -> None:
        second = sign_in(served).body["token"]
        listed = served.ask("GET", f"/users/{EVA}/sessions", token=eva).body["sessions"]
        assert len(listed) == 2
        served.ask("DELETE", f"/users/{EVA}/sessions/{listed[0]['id']}", token=eva)
        alive = [served.ask("GET", "/me", token=one).status for one in (eva, second)]
        assert sorted(alive) == [200, 401]

    def test_U10_terms_of_service_are_asked_for_until_they_are_accepted(
        self, acme: World, served: Served, eva: str, tmp_path: Path
    ) -> None:
        folder = tmp_path / "terms"
        folder.mkdir()
        terms = TermsSettings(version="2", url="https://acme.example/terms")
        with serving(replace(served.app, terms=terms), folder) as asking:
            assert sign_in(asking).code == "TERMS_NEEDED"
            assert sign_in(asking, accepts_terms="2").status == 201
            assert sign_in(asking).status == 201


class TestLinks:
    def test_U10_a_reset_tells_nothing_and_its_link_sets_a_password_once(
        self, served: Served, eva: str
    ) -> None:
        known = served.ask("POST", "/login/reset", {"name": EVA})
        unknown = served.ask("POST", "/login/reset", {"name": "no@one.example"})
        assert (known.status, known.raw) == (202, unknown.raw)
        link = {"secret": mailed_secret(served.app), "password": "Another good password"}
        assert served.ask("POST", "/login/reset/use", link).status == 200
        assert served.ask("POST", "/login/reset/use", link).code == "LINK_ENDED"
        assert served.ask("GET", "/me", token=eva).code == "TOKEN_REFUSED"
        assert sign_in(served, "Another good password").status == 201

    def test_a_new_person_chooses_a_password_by_the_link_that_an_admin_has_mailed(
        self, served: Served, admin: str
    ) -> None:
        assert served.ask("POST", f"/users/{EVA}/link", token=admin).body["kind"] == "sign_up"
        link = {"secret": mailed_secret(served.app), "password": PASSWORD}
        assert served.ask("POST", "/login/sign-up", link).body["username"] == EVA
        assert sign_in(served).status == 201

    def test_U5_an_address_is_confirmed_by_the_mailed_link_and_by_its_code(
        self, served: Served, admin: str
    ) -> None:
        for name in ("one", "two"):
            new = {"address": f"{name}@acme.example"}
            added = served.ask("POST", f"/users/{EVA}/addresses", new, token=admin)
            assert added.body["address"]["verified"] is False
        assert served.ask("POST", "/addresses/one@acme.example/verify", token=admin).status == 202
        code = {"code": mailed_secret(served.app)}
        assert served.ask("POST", "/login/verify", code).body["verified"] is True
        assert served.ask("POST", "/login/verify", code).code == "LINK_ENDED"
        served.ask("POST", "/addresses/two@acme.example/verify", token=admin)
        code = {"code": mailed_secret(served.app)}
        confirmed = served.ask("POST", "/addresses/two@acme.example/confirm", code, token=admin)
        assert confirmed.body["verified"] is True


class TestSecondStep:
    def test_U10_it_is_set_up_asked_for_and_switched_off(
        self, served: Served, eva: str, clock: Frozen
    ) -> None:
        begun = served.ask("POST", f"/users/{EVA}/second-step", token=eva)
        assert begun.status == 201
        app = pyotp.TOTP(begun.body["secret"])

        def code() -> str:
            clock.advance(timedelta(minutes=1))
            return app.at(clock())

        step = f"/users/{EVA}/second-step"
        confirmed = served.ask("POST", f"{step}/confirm", {"code": code()}, token=eva)
        assert confirmed.body["second_step"] is True
        assert sign_in(served).code == "CODE_NEEDED"
        assert sign_in(served, code=code()).status == 201
        ended = served.ask("POST", f"{step}/end", {"code": code()}, token=eva)
        assert ended.body["second_step"] is False

    def test_nobody_sets_it_up_for_somebody_else(self, served: Served, admin: str) -> None:
        assert served.ask("POST", f"/users/{EVA}/second-step", token=admin).code == "NOT_ALLOWED"


class TestTokens:
    def test_a_person_makes_lists_and_revokes_the_own_ones(self, served: Served, eva: str) -> None:
        made = served.ask("POST", f"/users/{EVA}/tokens", {"name": "phone", "days": 30}, token=eva)
        assert made.status == 201
        assert served.ask("GET", "/me", token=made.body["secret"]).status == 200
        listed = served.ask("GET", f"/users/{EVA}/tokens", token=eva)
        assert made.body["secret"].encode() not in listed.raw
        token_id = made.body["id"]
        assert served.ask("DELETE", f"/tokens/{token_id}", token=eva).body["active"] is False
        assert served.ask("GET", "/me", token=made.body["secret"]).status == 401

    def test_who_is_narrowed_to_one_account_makes_no_wider_token(
        self, served: Served, admin: str
    ) -> None:
        narrow = served.token(EVA, account="acme")
        made = served.ask("POST", f"/users/{EVA}/tokens", {"name": "wide"}, token=narrow)
        assert made.body["account"] == "acme"

    @pytest.mark.parametrize("account", [None, "acme"])
    def test_a_token_that_is_lost_does_not_become_its_person(
        self, served: Served, account: str | None
    ) -> None:
        token = served.token(EVA, account=account)
        for method, place, body in (
            ("PUT", "password", {"password": PASSWORD}),
            ("POST", "second-step", None),
        ):
            refused = served.ask(method, f"/users/{EVA}/{place}", body, token=token)
            assert (refused.status, refused.code) == (403, "NOT_ALLOWED")
            assert "sign in" in refused.body["detail"]

    def test_secrets_are_in_no_log_however_much_is_logged(
        self, served: Served, eva: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level("DEBUG"):
            sign_in(served)
            served.ask("GET", "/me", token=eva)
        assert PASSWORD not in caplog.text
        assert eva not in caplog.text
