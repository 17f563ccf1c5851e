"""F6: a company's own programs keep the clients by their keys, and are told when somebody else was there."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.served import Heard, Served, on_both

pytestmark = on_both

AT = "/clients/by-key/K%2F1"
ROSSI = {"name": "Rossi SA", "contacts": ["a@rossi.test"], "domains": ["rossi.test"]}


def put(served: Served, token: str, body: Any, at: str = AT, **header: str) -> Heard:
    sent = {name.replace("_", "-"): value for name, value in header.items()}
    return served.ask("PUT", at, body, token=token, header=sent)


def test_F6_a_client_is_put_by_its_key_and_put_again(served: Served, member: str) -> None:
    added = put(served, member, ROSSI)
    assert (added.status, added.body["outcome"]) == (201, "added")
    assert added.body["client"]["key"] == "K/1"
    again = put(served, member, ROSSI)
    assert (again.status, again.body["outcome"]) == (200, "unchanged")
    assert again.header["etag"] == added.header["etag"]
    changed = put(served, member, {**ROSSI, "contacts": ["b@rossi.test"]})
    assert changed.body["changes"] == ["+ b@rossi.test", "- a@rossi.test"]
    assert changed.header["etag"] != added.header["etag"]
    assert served.ask("GET", AT, token=member).body == changed.body["client"]


def test_F6_who_saw_something_else_changes_nothing(served: Served, member: str) -> None:
    tag = put(served, member, ROSSI).header["etag"]
    put(served, member, {**ROSSI, "name": "Rossi AG"})
    stale = put(served, member, {"name": "Mine"}, If_Match=tag)
    assert (stale.status, stale.code) == (412, "PRECONDITION_FAILED")
    shown = served.ask("GET", AT, token=member)
    assert shown.body["name"] == "Rossi AG"
    assert (
        put(served, member, {"name": "Mine"}, If_Match=f'"x", {shown.header["etag"]}').status == 200
    )


@pytest.mark.parametrize("tag", ["*", '"x"', 'W/"x"', "", ","])
def test_F6_what_is_not_there_matches_no_tag(served: Served, member: str, tag: str) -> None:
    assert put(served, member, ROSSI, If_Match=tag).code == "PRECONDITION_FAILED"
    assert served.ask("GET", AT, token=member).code == "NOT_FOUND"


def test_F6_a_weak_tag_matches_nothing(served: Served, member: str) -> None:
    tag = put(served, member, ROSSI).header["etag"]
    assert put(served, member, ROSSI, If_Match=f"W/{tag}").code == "PRECONDITION_FAILED"


def test_F6_who_wants_a_new_one_gets_no_other(served: Served, member: str) -> None:
    assert put(served, member, ROSSI, If_None_Match="*").status == 201
    assert put(served, member, {"name": "X"}, If_None_Match="*").code == "PRECONDITION_FAILED"
    assert served.ask("GET", AT, token=member).body["name"] == "Rossi SA"


def test_F6_who_has_it_already_is_told_so(served: Served, member: str) -> None:
    tag = put(served, member, ROSSI).header["etag"]
    for at in (AT, f"/clients/{served.ask('GET', AT, token=member).body['id']}"):
        unchanged = served.ask("GET", at, token=member, header={"If-None-Match": tag})
        assert (unchanged.status, unchanged.raw, unchanged.header["etag"]) == (304, b"", tag)


def test_F6_a_client_is_changed_by_hand_and_keeps_that(served: Served, member: str) -> None:
    at = f"/clients/{put(served, member, ROSSI).body['client']['id']}"
    tag = served.ask("GET", at, token=member).header["etag"]
    changes = {"add": ["h@rossi.test"], "remove": ["a@rossi.test"], "add_domains": ["r.test"]}
    changed = served.ask("PATCH", at, changes, token=member, header={"If-Match": tag})
    assert changed.body["contacts"] == ["h@rossi.test"]
    assert changed.body["domains"] == ["r.test", "rossi.test"]
    stale = served.ask("PATCH", at, {"name": "N"}, token=member, header={"If-Match": tag})
    assert stale.code == "PRECONDITION_FAILED"
    put(served, member, {"name": "Rossi SA", "contacts": [], "domains": []})
    left = served.ask("GET", at, token=member).body
    assert (left["contacts"], left["domains"]) == (["h@rossi.test"], ["r.test"])


def test_F6_a_key_that_another_client_has_is_refused(served: Served, member: str) -> None:
    put(served, member, ROSSI)
    other = put(served, member, {"name": "Other"}, at="/clients/by-key/2").body["client"]["id"]
    refused = served.ask("PATCH", f"/clients/{other}", {"key": "K/1"}, token=member)
    assert refused.code == "ALREADY_EXISTS"
    assert served.ask("PATCH", f"/clients/{other}", {"key": ""}, token=member).body["key"] is None


def test_F5_conflicts_are_named_and_what_is_ours_is_refused(served: Served, member: str) -> None:
    shared = put(served, member, {"name": "New", "contacts": ["anna@rossi.example"]})
    assert "anna@rossi.example is at 2 clients (Rossi Bau, New)" in shared.body["warnings"][0]
    assert shared.body["client"]["shared"] == ["anna@rossi.example"]
    [rossi, _] = served.ask("GET", "/clients", token=member).body["clients"]
    assert rossi["shared"] == ["anna@rossi.example"]
    ours = put(served, member, {"name": "New", "contacts": ["eva@acme.example"]})
    assert (ours.status, ours.code) == (409, "EMAIL_IN_USE_OTHER_KIND")
    assert served.ask("GET", AT, token=member).body["contacts"] == ["anna@rossi.example"]


def test_F6_many_come_in_one_request_and_each_hears_its_own(served: Served, member: str) -> None:
    lines = [{"name": "A", "key": "1"}, {"name": "", "key": "2"}, {"name": "Rossi Bau"}]
    tried = served.ask("POST", "/clients/import", {"clients": lines, "dry_run": True}, token=member)
    done = served.ask("POST", "/clients/import", {"clients": lines}, token=member).body["lines"]
    assert [one["outcome"] for one in done] == ["added", "refused", "unchanged"]
    assert [one["outcome"] for one in tried.body["lines"]] == ["added", "refused", "unchanged"]


def test_F6_lists_come_in_pages(served: Served, member: str) -> None:
    for number in range(3):
        put(served, member, {"name": f"C{number}"}, at=f"/clients/by-key/{number}")
    names, after = [], ""
    while True:
        page = served.ask("GET", f"/clients?limit=2{after}", token=member).body
        names += [one["name"] for one in page["clients"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert names == ["Rossi Bau", "C0", "C1", "C2"]


def test_I4_what_waited_is_shown_and_filed(served: Served, member: str) -> None:
    assert served.ask("GET", "/clients/matching", token=member).body["count"] == 0
    assert served.ask("POST", "/clients/matching", token=member).body["count"] == 0
