"""What people do with mail over HTTP, and everything else that core does for an account."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest

from maild.faces.api import application
from maild.testing.world import World
from tests.api.served import Served, on_both, serving
from tests.core.company import Post
from tests.wall.functions import ROWS

LEA, EVA, JAN = "lea@acme.example", "eva@acme.example", "jan@acme.example"

ELSEWHERE = {
    "lists.user_id_of": "a step of `give`",
    "lists.mails_with_reason": "walks over all mails of a reason: `maild mail retry --reason`",
    "accounts.account_id_of": "a step of others",
    "agency.refuse_access": "`refuse_membership` does it",
    "clients_following.set_directory": "names files of the machine: the command line's",
    "clients_following.remove_directory": "the other half of that",
    "clients_following.take_directory": "`maild directory poll`, and the daemon's round",
    "digest.preview_digests": "in the machine's zone: `maild digest`",
    "healing.matching_of_user": "`/mails/matching` tells it account by account",
    "webhooks.target_of": "a step of `maild webhook test`, with what signs; over HTTP it is queued",
    "sources.source_row": "a step of `maild source`, with what is sealed",
}
"""Use cases without a route, and why."""
AT_THE_MACHINE = {
    "archives": "reads files of the machine: `maild import`",
    "archives_listed": "asks a mail server for `maild import`",
    "erasing": "for good, and so by the operator: `maild erase`",
    "indexing": "the operator's, beside the workers' own: `maild db`",
    "exporting": "writes files of the machine: `maild export`",
}
"""Modules whose use cases are the command line's, and why."""


@pytest.fixture
def post(acme: World, served: Served) -> Post:
    acme.client("Dupont", "marc@dupont.example")
    return Post(acme.app)


def a_mail(served: Served, post: Post, token: str) -> str:
    post.send(post.mail(), "info@acme.example")
    post.decide()
    return str(served.ask("GET", "/mails", token=token).body["mails"][0]["id"])


def test_G_every_use_case_of_core_has_a_route_or_a_reason_why_not() -> None:
    """A name counts as asked where a route's code has it as `module.name`, or imports it."""
    asked: set[str] = set()
    for file in Path(application.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                asked.add(f"{node.value.id}.{node.attr}")
            if isinstance(node, ast.ImportFrom) and node.module:
                module = node.module.rpartition(".")[2]
                asked |= {f"{module}.{one.name}" for one in node.names}
    known = {row.name for row in ROWS}
    known -= {name for name in known if name.partition(".")[0] in AT_THE_MACHINE}
    assert known - asked - set(ELSEWHERE) == set(), "give it a route, or say here why it has none"
    assert set(ELSEWHERE) & asked == {"lists.user_id_of", "accounts.account_id_of"}
    assert set(ELSEWHERE) <= known, "these are not there any more"


@on_both
def test_M1_a_mail_is_given_taken_and_given_back(served: Served, post: Post) -> None:
    lea, eva = served.token(LEA), served.token(EVA)
    mail = a_mail(served, post, lea)
    etag = served.ask("GET", f"/mails/{mail}", token=lea).header["etag"]
    given = served.ask("POST", "/mails/give", {"ids": [mail], "to": EVA}, token=lea)
    assert (given.status, given.body["moved"], given.body["unchanged"]) == (200, [mail], [])
    shown = served.ask("GET", f"/mails/{mail}", token=eva)
    assert (shown.body["owner"], shown.body["unread"]) == (EVA, True)
    late = served.ask("POST", f"/mails/{mail}/take", token=lea, header={"If-Match": etag})
    assert (late.status, late.code) == (409, "OWNER_CHANGED")
    again = served.ask("POST", "/mails/give", {"ids": [mail], "to": EVA}, token=lea)
    assert again.body["unchanged"] == [mail]
    undone = served.ask("POST", "/mails/undo", {"change": given.body["change"]}, token=lea)
    assert undone.body["moved"] == [mail]
    assert served.ask("GET", f"/mails/{mail}", token=lea).body["owner"] == LEA
    fresh = served.ask("GET", f"/mails/{mail}", token=eva).header["etag"]
    taken = served.ask("POST", f"/mails/{mail}/take", token=eva, header={"If-Match": fresh})
    assert taken.body["moved"] == [mail]
    newest = served.ask("POST", "/mails/undo", {}, token=eva)
    assert newest.body["moved"] == [mail]


@on_both
def test_M2_M7_marks_of_many_mails_in_one_call(served: Served, post: Post) -> None:
    lea = served.token(LEA)
    mails = [a_mail(served, post, lea) for _ in range(3)]
    for act, want in (("read", False), ("unread", True)):
        assert served.ask("POST", f"/mails/{act}", {"ids": mails}, token=lea).status == 204
        listed = served.ask("GET", "/mails", token=lea).body["mails"]
        assert {one["unread"] for one in listed} == {want}
    asked = {"ids": mails, "status": "waiting"}
    assert served.ask("POST", "/mails/status", asked, token=lea).status == 204
    assert {one["status"] for one in served.ask("GET", "/mails", token=lea).body["mails"]} == {
        "Waiting"
    }
    wrong = served.ask("POST", "/mails/read", {"ids": [mails[0], "01NONE"]}, token=lea)
    assert (wrong.status, wrong.code) == (404, "NOT_FOUND")
    assert "01NONE" in wrong.body["detail"]
    [first] = [
        one for one in served.ask("GET", "/mails", token=lea).body["mails"] if one["id"] == mails[0]
    ]
    assert first["unread"] is True


@on_both
def test_M4_put_away_and_wanted_back(served: Served, post: Post) -> None:
    lea = served.token(LEA)
    mail = a_mail(served, post, lea)
    gone = served.ask("POST", "/mails/dismiss", {"ids": [mail]}, token=lea)
    assert gone.body["moved"] == [mail]
    assert served.ask("GET", f"/mails/{mail}", token=lea).body["reason"] == "DISMISSED"
    assert served.ask("POST", "/mails/release", {"ids": [mail]}, token=lea).body["moved"] == [mail]
    assert served.ask("GET", f"/mails/{mail}", token=lea).body["state"] == "filed"
    clients = served.ask("GET", "/clients", token=lea).body["clients"]
    other = next(one["id"] for one in clients if one["name"] == "Dupont")
    filed = served.ask("POST", "/mails/file", {"ids": [mail], "client": other}, token=lea)
    assert filed.body["moved"] == [mail]
    shown = served.ask("GET", f"/mails/{mail}", token=lea).body
    assert "Dupont" in {one["name"] for one in shown["clients"]}
    note = served.ask("POST", f"/mails/{mail}/notes", {"text": "A note"}, token=lea)
    assert (note.status, note.raw) == (204, b"")


def test_raw_mail_is_the_bytes_that_came_as_a_file(served: Served, post: Post) -> None:
    lea = served.token(LEA)
    large = "x" * 70 + "\r\n"
    for body in ("Hello", large * 4000):
        content = post.mail(body=body)
        post.send(content, "info@acme.example")
        post.decide()
        mail = served.ask("GET", "/mails", token=lea).body["mails"][0]["id"]
        raw = served.ask("GET", f"/mails/{mail}/raw", token=lea)
        assert raw.raw == content
        assert raw.header["content-type"] == "message/rfc822"
        assert raw.header["content-disposition"] == f'attachment; filename="{mail}.eml"'
        assert raw.header["x-content-type-options"] == "nosniff"
        assert raw.header["content-length"] == str(len(content))
    refused = served.ask("GET", "/mails/01NONE/raw", token=lea)
    assert (refused.status, refused.code) == (404, "NOT_FOUND")


def test_an_etag_spares_who_has_the_mail_already(served: Served, post: Post) -> None:
    lea = served.token(LEA)
    mail = a_mail(served, post, lea)
    first = served.ask("GET", f"/mails/{mail}", token=lea)
    etag = first.header["etag"]
    again = served.ask("GET", f"/mails/{mail}", token=lea, header={"If-None-Match": etag})
    assert (again.status, again.raw, again.header["etag"]) == (304, b"", etag)
    served.ask("POST", f"/mails/{mail}/notes", {"text": "Something new"}, token=lea)
    changed = served.ask("GET", f"/mails/{mail}", token=lea, header={"If-None-Match": etag})
    assert (changed.status, changed.header["etag"] == etag) == (200, False)
    wrong = served.ask("POST", f"/mails/{mail}/take", token=lea, header={"If-Match": "soup"})
    assert (wrong.status, wrong.code) == (422, "INVALID_REQUEST")


def test_M4_a_mail_is_taken_if_one_of_several_tags_is_where_it_is(
    served: Served, post: Post
) -> None:
    """RFC 9110 13.1.1: one of them, or anything at all."""
    lea, eva = served.token(LEA), served.token(EVA)
    mail = a_mail(served, post, lea)
    for tags in ('"0-aa", {now}', "{now}, soup", "*"):
        now = served.ask("GET", f"/mails/{mail}", token=lea).header["etag"]
        seen = {"If-Match": tags.format(now=now)}
        taken = served.ask("POST", f"/mails/{mail}/take", token=eva, header=seen)
        assert (taken.status, taken.body.get("moved")) == (200, [mail]), tags
        served.ask("POST", "/mails/undo", {}, token=eva)
    late = {"If-Match": '"99-aa", "98-bb"'}
    refused = served.ask("POST", f"/mails/{mail}/take", token=eva, header=late)
    assert (refused.status, refused.code) == (409, "OWNER_CHANGED")


def test_places_are_looked_at_by_members_and_changed_by_admins(served: Served) -> None:
    operator, eva = served.token(None), served.token(EVA)
    new = {"address": "desk@acme.example", "kind": "shared", "owner": LEA}
    refused = served.ask("POST", "/inboxes", new, token=eva)
    assert (refused.status, refused.code) == (403, "NOT_ALLOWED")
    added = served.ask("POST", "/inboxes", new, token=operator)
    assert (added.status, added.body["inbox"]["owner"]) == (201, LEA)
    listed = served.ask("GET", "/inboxes", token=eva).body["inboxes"]
    assert "desk@acme.example" in {one["address"] for one in listed}
    assert served.ask("GET", "/statuses", token=eva).body["statuses"][0] == "New"
    more = served.ask("POST", "/statuses", {"name": "Later"}, token=operator)
    assert more.body["statuses"][-1] == "Later"
    assert served.ask("DELETE", "/statuses/Later", token=operator).status == 200
    key = served.ask("POST", "/inboxes/desk@acme.example/key", token=operator).body
    assert key["key"]
    shown = served.ask("GET", "/inboxes/desk@acme.example/key", token=operator).body
    assert (shown["key"], shown["since"]) == (None, key["since"])


def test_a_sources_password_is_never_told_and_no_file_of_the_machine_is_named(
    acme: World, served: Served, tmp_path: Path
) -> None:
    adam = served.token("adam@acme.example")
    new = {
        "name": "box",
        "kind": "imap",
        "host": "imap.acme.example",
        "username": "box@acme.example",
        "password": "a secret word",
        "inbox": "info@acme.example",
    }
    wrong = served.ask("POST", "/sources", new | {"sign_in": "file"}, token=adam)
    assert (wrong.status, wrong.code) == (422, "INVALID_REQUEST")
    added = served.ask("POST", "/sources", new, token=adam)
    assert (added.status, added.body["has_secret"]) == (201, True)
    told = [added, served.ask("GET", "/sources/box", token=adam)]
    assert not any(b"secret word" in one.raw for one in told)
    file = {"settings": {"ca_file": "/etc/passwd"}}
    refused = served.ask("PATCH", "/sources/box", file, token=adam)
    assert (refused.status, refused.code) == (403, "NOT_ALLOWED")
    moved = served.ask("PATCH", "/sources/box", {"settings": {"host": "other.example"}}, token=adam)
    assert (moved.body["needs_secret"], moved.body["source"]["has_secret"]) == (True, False)
    (tmp_path / "keyless").mkdir()
    with serving(replace(acme.app, key=None), tmp_path / "keyless") as keyless:
        unsealed = keyless.ask("POST", "/sources", new | {"name": "other"}, token=adam)
    assert (unsealed.status, unsealed.code) == (409, "CONFLICT")


@on_both
def test_M7_what_a_status_means_is_told_and_changed(served: Served, acme: World) -> None:
    admin = served.token("adam@acme.example")
    told = served.ask("GET", "/status-roles", token=admin).body["statuses"]
    assert {"name": "Done", "closes": True, "reopens": False} in told
    changed = served.ask("PATCH", "/statuses/Waiting", {"reopens": True}, token=admin)
    assert [one["name"] for one in changed.body["statuses"] if one["reopens"]] == ["Waiting"]
    wrong = served.ask("PATCH", "/statuses/Done", {"reopens": True}, token=admin)
    assert (wrong.status, wrong.code) == (409, "CONFLICT")


@on_both
def test_M9_who_would_get_an_inboxs_mail_is_told_before_its_mode_changes(
    served: Served, acme: World
) -> None:
    admin = served.token("adam@acme.example")
    plan = served.ask(
        "POST", "/inboxes/info@acme.example/mode/plan", {"mode": "distributed"}, token=admin
    )
    assert (plan.status, plan.body["mode"], plan.body["mails"]) == (200, "distributed", 0)
    wrong = served.ask("POST", "/inboxes/info@acme.example/mode/plan", {"mode": "x"}, token=admin)
    assert (wrong.status, wrong.code) == (422, "INVALID_VALUE")
