"""`maild login` and `maild token`: what an operator does for a person who cannot sign in, or should not any more."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyotp
import pytest

from maild.config import load
from maild.core.app import App, open_app
from maild.core.identities import Asserted, attach_identity
from maild.core.second_step import begin_second_step, confirm_second_step
from maild.core.sessions import SessionSeen, begin_session, look
from maild.core.signing_in import SignedIn
from maild.core.standing import actor_for
from maild.daemon.check import _provider_lines
from maild.faces.cli.main import COMMANDS, run as run_maild
from maild.settings import Settings
from maild.testing.openid import OpenIdProvider

EVA = "eva@acme.example"
PASSWORD = "correct horse battery"
Run = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "maild.toml").write_text(
        'database = "sqlite:///maild.db"\nsecret_key_file = "maild.key"\n[relay]\nhost = "localhost"\n'
        '[web]\npublic_url = "https://mail.acme.example"\n'
    )
    (tmp_path / "maild.key").touch(0o600)
    (tmp_path / "maild.key").write_text("a text of chance that is long enough to be a key")
    (tmp_path / "password").write_text(PASSWORD)
    return tmp_path


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command; return its document, or what it refuses with."""

    def run(*words: str, status: int = 0) -> Any:
        got = run_maild(["--config", str(folder / "maild.toml"), "--json", *words], COMMANDS)
        said = capsys.readouterr()
        assert got == status, said.out + said.err
        return json.loads(said.out)

    run("db", "upgrade")
    run("account", "add", "acme", "Acme")
    secret = str(folder / "password")
    run(
        "user",
        "add",
        "--email",
        EVA,
        "--name",
        "Eva",
        "--username",
        "eva",
        "--password-file",
        secret,
    )
    return run


@pytest.fixture
def app(folder: Path, run: Run) -> Any:
    opened = open_app(load(folder / "maild.toml", os.environ))
    yield opened
    opened.store.close()


def session(app: App) -> tuple[str, SessionSeen]:
    with app.store.read() as tx:
        login = tx.logins.named("eva")
    assert login is not None
    signed_in = SignedIn(user_id=login.user_id, login_id=login.id)
    secret = begin_session(app, signed_in, peer="192.0.2.1", agent="Firefox").secret
    seen = look(app, secret)
    assert seen is not None
    return secret, seen


def test_a_token_is_made_listed_and_revoked(run: Run) -> None:
    made = run("token", "create", EVA, "--name", "phone", "--days", "30")
    assert re.fullmatch(r"maild_[A-Za-z0-9_-]{43}", made["secret"])
    [listed] = run("token", "list", EVA)
    assert (listed["id"], listed["name"], listed["active"]) == (made["id"], "phone", True)
    assert "secret" not in listed
    assert run("token", "revoke", made["id"])["active"] is False
    assert run("token", "list") == []


def test_a_token_is_one_persons_or_the_operators(run: Run) -> None:
    assert run("token", "create", "--name", "x", status=2)["error"]["code"] == "USAGE"
    assert run("token", "create", EVA, "--operator", "--name", "x", status=2)
    assert run("token", "create", "--operator", "--name", "x")["email"] is None


def test_a_login_is_shown_without_anything_secret(run: Run, folder: Path) -> None:
    [login] = run("login", "show", EVA)
    assert (login["username"], login["account"], login["has_password"]) == ("eva", None, True)
    assert not {"password_hash", "totp"} & set(login)


def test_sessions_are_listed_and_ended(run: Run, app: App) -> None:
    (first, _), (second, _) = session(app), session(app)
    [newer, older] = run("login", "sessions", EVA)
    assert (older["peer"], older["agent"]) == ("192.0.2.1", "Firefox")
    assert len(run("login", "end", EVA, older["id"])) == 1
    assert look(app, first) is None
    assert [one["id"] for one in run("login", "end", EVA)] == [newer["id"]]
    assert look(app, second) is None


def test_a_lost_phone_is_helped(run: Run, app: App) -> None:
    by = actor_for(app, EVA)
    secret = begin_second_step(app, EVA, by=by).secret
    confirm_second_step(app, EVA, pyotp.TOTP(secret).at(app.clock()), by=by)
    assert run("login", "show", EVA)[0]["second_step"]
    assert run("login", "totp", EVA, status=2)["error"]["code"] == "USAGE"
    assert not run("login", "totp", EVA, "--off")["second_step"]


def test_a_link_is_mailed(run: Run) -> None:
    assert run("login", "reset", EVA) == {"to": EVA, "kind": "reset"}
    [errand] = run("outbox", "list")
    assert "https://" not in json.dumps(errand), "a list of mails tells what opens a login"


def test_an_identity_is_detached(run: Run, app: App) -> None:
    _, seen = session(app)
    said = Asserted(provider="corp", issuer="https://id.example/", subject="7", address=EVA)
    attach_identity(app, seen, said)
    [login] = run("login", "show", EVA)
    assert [one["subject"] for one in login["identities"]] == ["7"]
    detach = ("login", "detach", EVA, "--issuer", "https://id.example/", "--subject", "7")
    assert run(*detach)["identities"] == []
    assert run(*detach, status=1)["error"]["code"] == "NOT_FOUND"


def test_U9_an_accounts_own_login_is_added(run: Run, folder: Path) -> None:
    add = ("login", "add", EVA, "--username", "second", "--password-file", str(folder / "password"))
    assert run(*add, status=2)["error"]["code"] == "USAGE"
    assert run(*add, "--account", "acme", status=1)["error"]["code"] == "CONFLICT"
    run("account", "set", "acme", "own_login_required=true")
    assert run(*add, "--account", "acme")["account"] == "acme"
    assert [one["username"] for one in run("login", "show", EVA)] == ["eva", "second"]


def test_OIDC_check_says_whether_a_provider_answers(run: Run, folder: Path) -> None:
    with OpenIdProvider() as remote:
        plan = f'[[oidc]]\nname = "corp"\nissuer = "{remote.url}"\nclient_id = "maild-here"\n'
        with (folder / "maild.toml").open("a") as config:
            config.write(plan)
        found = {line.what: line.verdict for line in _provider_lines(settings_of(folder))}
        assert found == {"oidc corp": "OK"}
    found = {line.what: line.verdict for line in _provider_lines(settings_of(folder))}
    assert found == {"oidc corp": "FAIL"}


def settings_of(folder: Path) -> Settings:
    return load(folder / "maild.toml", os.environ)
