"""Webhooks as admins keep them: where they may point, what they hear of, and their secrets (G)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest
from sqlalchemy import select, text

from maild.core import webhook_steps, webhooks
from maild.core.app import OPERATOR, Actor, App
from maild.core.seal import SealError, SealingKey
from maild.faces.cli.output import as_json
from maild.model.reason import Reason, RefusedError
from maild.model.webhook import OLD_SECRET_LIFE, is_heard
from maild.store.webhook_tables import webhooks as table
from maild.store.webhooks import HookRow
from tests.core.company import EVA
from tests.core.conftest import Frozen

URL = "https://crm.example/a-secret-path"


def row(app: App) -> HookRow:
    with app.store.read() as tx:
        [found] = tx.webhooks.of_account(1)
        return found


def refused(app: App, url: str) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        webhooks.add_webhook(app, url, by=OPERATOR)
    assert caught.value.reason is Reason.INVALID_VALUE
    return caught.value


class TestSecrets:
    def test_G_a_secret_is_told_once_and_lies_sealed(self, app: App) -> None:
        made = webhooks.add_webhook(app, URL, by=OPERATOR)
        assert made.secret.startswith("whsec_")
        assert made.secret not in as_json(webhooks.show_webhook(app, made.webhook.id, by=OPERATOR))
        with app.store.read() as tx:
            kept = tx.connection.execute(select(table.c.secret)).scalar_one()
        assert made.secret.removeprefix("whsec_") not in kept
        assert webhook_steps.secrets_of(app, row(app)) == (made.secret,)

    def test_T16_a_secret_that_was_moved_to_another_webhook_does_not_open(self, app: App) -> None:
        webhooks.add_webhook(app, URL, by=OPERATOR)
        with pytest.raises(SealError):
            webhook_steps.secrets_of(app, replace(row(app), ulid=app.ids()))

    def test_G_the_old_secret_signs_beside_the_new_one_for_a_day(
        self, app: App, clock: Frozen
    ) -> None:
        first = webhooks.add_webhook(app, URL, by=OPERATOR)
        second = webhooks.rotate_webhook_secret(app, first.webhook.id, by=OPERATOR)
        assert webhook_steps.secrets_of(app, row(app)) == (second.secret, first.secret)
        assert second.webhook.old_secret_until == clock() + OLD_SECRET_LIFE
        clock.advance(OLD_SECRET_LIFE)
        assert webhook_steps.secrets_of(app, row(app)) == (second.secret,)

    def test_G_a_secret_that_the_receiver_has_signs_on_when_a_rotation_is_repeated(
        self, app: App, clock: Frozen
    ) -> None:
        first = webhooks.add_webhook(app, URL, by=OPERATOR)
        lost = webhooks.rotate_webhook_secret(app, first.webhook.id, by=OPERATOR)
        clock.advance(OLD_SECRET_LIFE / 2)
        third = webhooks.rotate_webhook_secret(app, first.webhook.id, by=OPERATOR)
        assert webhook_steps.secrets_of(app, row(app)) == (third.secret, lost.secret, first.secret)
        clock.advance(OLD_SECRET_LIFE)
        assert webhook_steps.secrets_of(app, row(app)) == (third.secret,)

    def test_G_there_is_an_end_to_how_many_secrets_sign(self, app: App) -> None:
        made = webhooks.add_webhook(app, URL, by=OPERATOR)
        for _ in range(webhooks.OLD_SECRETS_MAX):
            webhooks.rotate_webhook_secret(app, made.webhook.id, by=OPERATOR)
        with pytest.raises(RefusedError) as caught:
            webhooks.rotate_webhook_secret(app, made.webhook.id, by=OPERATOR)
        assert caught.value.reason is Reason.CONFLICT
        assert made.secret in webhook_steps.secrets_of(app, row(app))

    def test_G_a_secret_that_opens_no_more_is_healed_by_a_new_one(self, app: App) -> None:
        other = replace(app, key=SealingKey.of("another key of this length, or more"))
        made = webhooks.add_webhook(other, URL, by=OPERATOR)
        with pytest.raises(SealError):
            webhook_steps.secrets_of(app, row(app))
        for _ in range(webhooks.OLD_SECRETS_MAX + 1):
            new = webhooks.rotate_webhook_secret(app, made.webhook.id, by=OPERATOR)
            assert webhook_steps.secrets_of(app, row(app))[0] == new.secret

    def test_G_without_a_key_there_is_no_webhook(self, app: App) -> None:
        with pytest.raises(RefusedError, match="secret_key"):
            webhooks.add_webhook(replace(app, key=None), URL, by=OPERATOR)


class TestWhereItMayPoint:
    @pytest.mark.parametrize(
        "url",
        [
            "http://crm.example/",
            "ftp://crm.example/",
            "https://",
            "https://user:pass@crm.example/",
            "https://crm.example/#part",
            "https://crm.example:0/",
            "https://crm.example:x/",
            "https://[::1/",
            "https://crm.example/a b",
            "https://crm.example/\r\nX: y",
            "https://crm.exämple/",
            "https://crm.example/" + "x" * 2000,
            "crm.example/hook",
            "",
        ],
    )
    def test_G_what_is_no_url_of_a_receiver_is_refused(self, app: App, url: str) -> None:
        refused(app, url)

    @pytest.mark.parametrize("host", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "[::1]"])
    def test_T17_a_private_address_is_refused_unless_the_operator_named_it(
        self, app: App, host: str
    ) -> None:
        assert "allow_networks" in str(refused(app, f"https://{host}/"))
        named = replace(app, hook_networks=(ip_network("127.0.0.0/8"),))
        if host == "127.0.0.1":
            webhooks.add_webhook(named, f"http://{host}:9000/", by=OPERATOR)
        else:
            refused(named, f"http://{host}/")

    def test_G_a_refusal_repeats_no_path(self, app: App) -> None:
        for url in (f"{URL}#x", URL.replace("https", "ftp"), "https://10.0.0.1/a-secret-path"):
            assert "a-secret-path" not in str(refused(app, url))


class TestWhatItHears:
    def test_G_a_type_that_is_none_is_refused_with_those_that_there_are(self, app: App) -> None:
        with pytest.raises(RefusedError, match=r"mail\.filed"):
            webhooks.add_webhook(app, URL, events=["mail.field"], by=OPERATOR)

    def test_G_types_and_beginnings_of_types(self) -> None:
        assert is_heard((), "mail.filed")
        assert is_heard(("mail.*",), "mail.filed")
        assert is_heard(("user.added", "mail.filed"), "mail.filed")
        assert not is_heard(("mail.*",), "mailbox.filed")
        assert not is_heard(("mail.held",), "mail.filed")


def test_G_who_is_no_admin_neither_sees_nor_changes_one(app: App) -> None:
    made = webhooks.add_webhook(app, URL, by=OPERATOR)
    for act in (webhooks.show_webhook, webhooks.remove_webhook, webhooks.rotate_webhook_secret):
        with pytest.raises(RefusedError) as caught:
            act(app, made.webhook.id, by=Actor(EVA))
        assert caught.value.reason is Reason.NOT_ALLOWED
    with pytest.raises(RefusedError) as caught:
        webhooks.list_webhooks(app, by=Actor(EVA))
    assert caught.value.reason is Reason.NOT_ALLOWED


def test_G_there_is_an_end_to_how_many_there_can_be(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "HOOKS_MAX", 2)
    for _ in range(2):
        webhooks.add_webhook(app, URL, by=OPERATOR)
    with pytest.raises(RefusedError) as caught:
        webhooks.add_webhook(app, URL, by=OPERATOR)
    assert caught.value.reason is Reason.CONFLICT


def test_G_one_that_is_removed_leaves_nothing(app: App) -> None:
    made = webhooks.add_webhook(app, URL, by=OPERATOR)
    webhooks.try_webhook(app, made.webhook.id, by=OPERATOR)
    webhooks.remove_webhook(app, made.webhook.id, by=OPERATOR)
    with app.store.read() as tx:
        for name in ("webhooks", "webhook_posts"):
            assert tx.connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() == 0
    with pytest.raises(RefusedError) as caught:
        webhooks.show_webhook(app, made.webhook.id, by=OPERATOR)
    assert caught.value.reason is Reason.NOT_FOUND


def test_G_a_new_url_is_tried_at_once(app: App) -> None:
    made = webhooks.add_webhook(app, URL, by=OPERATOR)
    changed = webhooks.change_webhook(
        app, made.webhook.id, url="https://other.example/", events=["mail.*"], by=OPERATOR
    )
    assert (changed.url, changed.events, changed.next_try_at) == (
        "https://other.example/",
        ["mail.*"],
        None,
    )
