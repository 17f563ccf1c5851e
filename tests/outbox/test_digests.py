"""U14, F7: a digest on its way: through a relay that has no room for it, and out of the whole daemon."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

import pytest

from maild.core.accounts import set_account
from maild.core.app import OPERATOR, App
from maild.core.digest import send_digests
from maild.core.people_views import show_user
from maild.daemon.outbox import OutboxWorker
from maild.settings import Settings
from maild.testing.installation import Installation, a_small_company
from tests.core.company import Post, a_company
from tests.outbox.relay_server import RelayServer, until


def with_mail(app: App) -> Post:
    a_company(app)
    set_account(app, "acme", {"digest": "07:00"}, by=OPERATOR)
    post = Post(app)
    post.send(post.mail(), "info@acme.example")
    post.decide()
    assert send_digests(app, UTC) == 1
    return post


def work(app: App, relay: RelayServer, from_address: str = "maild@acme.example") -> None:
    facts = {"host": "127.0.0.1", "port": relay.port, "tls": "none", "from_address": from_address}
    settings = Settings.model_validate({"hostname": "mail.acme.example", "relay": facts})
    asyncio.run(OutboxWorker(app, settings).work())


@pytest.mark.parametrize(
    ("step", "reply"), [("rcpt", "552 5.2.2 mailbox full"), ("dot", "452 4.2.2 over quota")]
)
def test_U14_a_relay_that_has_no_room_pauses_the_digest(
    app: App, relay: RelayServer, step: str, reply: str
) -> None:
    with_mail(app)
    relay.replies[step] = reply
    work(app, relay)
    assert show_user(app, "lea@acme.example", by=OPERATOR).digest == "paused"


def test_U14_a_relay_that_is_busy_pauses_nothing(one_app: App, relay: RelayServer) -> None:
    with_mail(one_app)
    relay.replies["rcpt"] = "450 4.2.1 try later"
    work(one_app, relay)
    assert show_user(one_app, "lea@acme.example", by=OPERATOR).digest == "on"


@pytest.mark.parametrize(
    ("from_address", "sender"),
    [("info@acme.example", "info@acme.example"), ("maild@acme.example", "")],
)
def test_F7_reports_are_asked_for_where_maild_takes_mail_for_the_address(
    one_app: App, relay: RelayServer, from_address: str, sender: str
) -> None:
    with_mail(one_app)
    work(one_app, relay, from_address)
    [(mail_from, recipient, _)] = relay.mails
    assert (mail_from.strip("<>"), recipient) == (sender, "lea@acme.example")


@pytest.fixture
def place(relay: RelayServer) -> Iterator[Installation]:
    folder = Path(tempfile.mkdtemp(prefix="maild-digest-", dir="/tmp"))
    extra = f'[relay]\nhost = "127.0.0.1"\nport = {relay.port}\ntls = "none"\n'
    made = Installation(folder / "m", extra=extra)
    made.make()
    a_small_company(made)
    yield made
    made.kill()
    shutil.rmtree(folder)


@pytest.mark.real
@pytest.mark.slow
def test_U14_the_daemon_sends_it_when_its_hour_has_come(
    place: Installation, relay: RelayServer
) -> None:
    place.start()
    mail = b"From: anna@rossi.example\r\nTo: info@acme.example\r\nSubject: Hi\r\n\r\nHello\r\n"
    assert place.run("deliver", "--recipient", "info@acme.example", data=mail).returncode == 0
    until(lambda: bool(place.here("mail", "list", "--unread")), 60)
    place.here("account", "set", "acme", "digest=00:00")
    until(lambda: bool(relay.mails), 120)
    [(_, recipient, content)] = relay.mails
    assert recipient == "lea@acme.example"
    assert b"Subject: 1 mail waits for you" in content
    assert place.stop() == 0
