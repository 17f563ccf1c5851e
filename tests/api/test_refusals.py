"""Whatever goes wrong is a problem document with a stable code, and tells nothing that is nobody's business."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from maild.core.app import OPERATOR, Actor, App
from maild.core.tokens import list_tokens, make_token, revoke_token
from maild.faces.api.work import Limits
from maild.testing.world import World
from tests.api.served import Served, on_both, serving

SECRET = "canary-in-the-exception"


class TestWithoutAToken:
    @pytest.mark.parametrize(
        "header",
        [
            {},
            {"Authorization": "Bearer"},
            {"Authorization": "Bearer maild_nobodys"},
            {"Authorization": "Basic YTpi"},
        ],
    )
    @pytest.mark.parametrize("path", ["/users", "/nothing", "/users/eva@acme.example"])
    def test_nothing_is_told_but_that_one_is_needed(
        self, served: Served, path: str, header: dict[str, str]
    ) -> None:
        refused = served.ask("GET", path, header=header)
        assert (refused.status, refused.code) == (401, "TOKEN_REFUSED")
        assert refused.header["www-authenticate"] == "Bearer"

    def test_a_body_is_not_even_read(self, served: Served) -> None:
        assert served.ask("POST", "/users", b"no json").code == "TOKEN_REFUSED"

    def test_the_document_of_the_routes_is_open_to_all(self, served: Served) -> None:
        assert served.ask("GET", "/openapi.json").body["info"]["title"] == "maild"

    def test_what_looks_like_an_open_path_is_not_open(self, served: Served) -> None:
        for path in ("/openapi.jsonx", "/loginx", "/openapi.json/../users"):
            assert served.ask("GET", path).code == "TOKEN_REFUSED"

    def test_a_revoked_token_opens_nothing(self, served: Served, member: str) -> None:
        [token] = list_tokens(served.app, "eva@acme.example", by=OPERATOR)
        revoke_token(served.app, token.id, by=OPERATOR)
        assert served.ask("GET", "/me", token=member).code == "TOKEN_REFUSED"

    def test_a_disabled_persons_token_opens_nothing(
        self, served: Served, admin: str, member: str
    ) -> None:
        assert served.ask("POST", "/users/eva@acme.example/disable", token=admin).status == 200
        assert served.ask("GET", "/me", token=member).code == "TOKEN_REFUSED"


@on_both
class TestWrongRequests:
    def test_a_path_that_is_not_there(self, served: Served, member: str) -> None:
        refused = served.ask("GET", "/nothing", token=member)
        assert (refused.status, refused.code) == (404, "NO_SUCH_ROUTE")

    def test_a_method_that_is_not_taken(self, served: Served, member: str) -> None:
        refused = served.ask("PATCH", "/members", {}, token=member)
        assert (refused.status, refused.code) == (405, "NO_SUCH_METHOD")
        assert refused.header["allow"]

    def test_a_document_has_everything_that_programs_match(
        self, served: Served, member: str
    ) -> None:
        assert served.ask("GET", "/users/nobody@acme.example", token=member).body == {
            "type": "about:blank",
            "title": "Not Found",
            "status": 404,
            "code": "NOT_FOUND",
            "detail": "There is no user with the address “nobody@acme.example”. `maild user list` shows them.",
            "actions": [],
        }

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"no json",
            b"[]",
            b'{"email": 7, "name": "x"}',
            b'{"name": "x"}',
            b'{"email": "x@acme.example", "name": "x", "strange": 1}',
            b'{"email": "x@acme.example", "name": "a\\u0000b"}',
            b'{"email": "x@acme.example", "name": "a\\ud800b"}',
            b'{"email": "x@acme.example", "name": "\xff"}',
            b"[" * 100_000,
            b"9" * 10_000,
        ],
        ids=lambda body: body[:24].decode("latin-1"),
    )
    def test_a_body_that_is_not_as_documented(
        self, served: Served, admin: str, body: bytes
    ) -> None:
        refused = served.ask("POST", "/users", body, token=admin)
        assert (refused.status, refused.code) == (422, "INVALID_REQUEST")

    def test_what_was_sent_is_not_sent_back(self, served: Served, admin: str) -> None:
        body = {"email": "x@acme.example", "name": "x", "password": [SECRET]}
        refused = served.ask("POST", "/users", body, token=admin)
        assert refused.body["errors"] == [
            {"where": "body.password", "why": "input should be a valid string"}
        ]
        assert SECRET.encode() not in refused.raw

    @pytest.mark.parametrize(
        "path",
        [
            "/users/%00",
            "/users/a%0ab@acme.example",
            "/mails/%ff",
            "/mails?after=%00",
            "/mails?%01=1",
        ],
    )
    def test_characters_that_no_name_has(self, served: Served, admin: str, path: str) -> None:
        assert served.ask("GET", path, token=admin).status in {404, 422}

    @pytest.mark.parametrize(
        "query", ["limit=0", "limit=1001", "limit=x", "after=x", "after=1.5", f"after={'9' * 30}"]
    )
    def test_a_page_that_there_cannot_be(self, served: Served, admin: str, query: str) -> None:
        assert served.ask("GET", f"/users?{query}", token=admin).status == 422

    @pytest.mark.parametrize("query", ["limit=0", "state=lost", "reason=WHIM", "strange=1"])
    def test_a_filter_of_mails_that_there_is_not(
        self, served: Served, admin: str, query: str
    ) -> None:
        assert served.ask("GET", f"/mails?{query}", token=admin).status == 422

    def test_no_answer_is_kept_by_a_cache(self, served: Served, admin: str) -> None:
        for path in ("/users", "/nothing"):
            assert served.ask("GET", path, token=admin).header["cache-control"] == "no-store"


class TestSizes:
    def test_a_declared_body_over_the_limit_is_refused_unread(
        self, served: Served, admin: str
    ) -> None:
        refused = served.ask("POST", "/users", b"x" * (1024 * 1024 + 1), token=admin)
        assert (refused.status, refused.code) == (413, "BODY_TOO_LARGE")

    def test_an_undeclared_one_is_refused_at_the_limit(self, acme: World, tmp_path: Path) -> None:
        with serving(acme.app, tmp_path, Limits(refused_timeout=0.2)) as served:
            admin = served.token("adam@acme.example")
            head = f"POST /api/v1/users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {admin}\r\n"
            with served.connect() as peer:
                peer.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
                piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
                for _ in range(17):
                    peer.sendall(piece)
                assert peer.recv(100).startswith(b"HTTP/1.1 413 ")

    def test_a_body_just_below_the_limit_is_read(self, served: Served, admin: str) -> None:
        people = {"users": [{"email": "x" * 900, "name": "x"}] * 500}
        assert len(json.dumps(people)) < 1024 * 1024
        assert served.ask("POST", "/users/import", people, token=admin).status == 200

    def test_U9_more_lines_than_a_bulk_has_are_refused(self, served: Served, admin: str) -> None:
        people = {"users": [{"email": "x", "name": "x"}] * 501}
        assert served.ask("POST", "/users/import", people, token=admin).code == "INVALID_REQUEST"


class TestFaults:
    @pytest.fixture
    def broken(self, acme: World, tmp_path: Path) -> Iterator[Served]:
        def opens(app: App, secret: str) -> Actor:
            raise ValueError(SECRET)

        with serving(acme.app, tmp_path, opens=opens) as running:
            yield running

    def test_a_fault_is_temporary_and_has_a_name_in_the_log(
        self, broken: Served, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.ERROR):
            refused = broken.ask("GET", "/users", token="any")
        assert (refused.status, refused.code) == (503, "INTERNAL_ERROR")
        assert refused.header["retry-after"] == "60"
        ref = refused.body["detail"].partition("(")[2].partition(")")[0]
        assert f"ref={ref}" in caplog.text
        assert SECRET.encode() not in refused.raw

    def test_a_fault_within_an_act_is_one_too_and_nothing_is_kept_of_it(
        self, acme: World, tmp_path: Path
    ) -> None:
        def ids() -> str:
            raise ValueError(SECRET)

        new = {"email": "jan@acme.example", "name": "Jan"}
        with serving(replace(acme.app, ids=ids), tmp_path) as running:
            token = make_token(acme.app, None, "test", by=OPERATOR).secret
            refused = running.ask("POST", "/users", new, token=token)
            shown = running.ask("GET", "/users/jan@acme.example", token=token)
        assert (refused.status, refused.code) == (503, "INTERNAL_ERROR")
        assert SECRET.encode() not in refused.raw
        assert shown.code == "NOT_FOUND"

    def test_a_database_that_does_not_answer_is_503(
        self, served: Served, admin: str, acme: World
    ) -> None:
        with acme.app.store.write() as tx:
            tx.connection.execute(text("ALTER TABLE tokens RENAME TO gone"))
        refused = served.ask("GET", "/users", token=admin)
        with acme.app.store.write() as tx:
            tx.connection.execute(text("ALTER TABLE gone RENAME TO tokens"))
        assert (refused.status, refused.code) == (503, "STORE_DOWN")
        assert refused.header["retry-after"] == "60"
        assert b"tokens" not in refused.raw

    def test_no_limit_is_so_small_that_the_documented_bulk_does_not_fit(self) -> None:
        assert Limits().body_max >= 500 * 2000
