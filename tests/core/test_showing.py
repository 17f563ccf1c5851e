"""Mails as pages: who may see them, what the browser is told, tickets, and what is kept (M13, ux.md 2.1)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from typing_extensions import override

from maild.core.app import OPERATOR, Actor, App
from maild.core.seal import SealingKey
from maild.core.showing import Asked, Document, Showing, show_by_ticket, show_html, ticket_for
from maild.core.tickets import Purpose, opened_ticket
from maild.model.reason import Reason, RefusedError
from maild.model.shown import Shown, Wish
from tests.core.company import EVA, JAN, InProcess, Post, a_company
from tests.core.conftest import Frozen

KEY = SealingKey.of("0123456789abcdef" * 3)
HTML = "Content-Type: text/html; charset=utf-8\r\n"
POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src 'self' data:; "
    "style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)

WITH_PICTURE = (
    b"From: a@b.example\r\nTo: info@acme.example\r\nContent-Type: multipart/related; boundary=b\r\n\r\n"
    b'--b\r\nContent-Type: text/html\r\n\r\n<img src="cid:a@b">\r\n'
    b"--b\r\nContent-Type: image/png\r\nContent-ID: <a@b>\r\n\r\nx\r\n--b--\r\n"
)


class Counted(InProcess):
    """Counts how often something is shown."""

    def __init__(self) -> None:
        self.count = 0

    @override
    def show(self, raw: bytes | Path, wish: Wish) -> Shown:
        self.count += 1
        return super().show(raw, wish)


class Site:
    def __init__(self, app: App, clock: Frozen) -> None:
        self.app = replace(app, key=KEY)
        a_company(app)
        self.post = Post(app)
        self.clock = clock
        self.reader = Counted()
        self.showing = Showing(self.reader)

    def html(self, body: str, to: str = "info@acme.example", more: str = HTML) -> str:
        return self.raw(self.post.mail(body=body, more=more, to=to), to)

    def raw(self, content: bytes, to: str = "info@acme.example") -> str:
        [answer] = self.post.send(content, to)
        self.post.decide()
        return str(answer.facts["ref"])

    def page(self, ulid: str, by: Actor = OPERATOR, images: bool = False, **asked: object) -> str:
        return self.shown(ulid, by, images, **asked).content.decode()

    def shown(
        self, ulid: str, by: Actor = OPERATOR, images: bool = False, **asked: object
    ) -> Document:
        wanted = Asked(**asked)  # type: ignore[arg-type]  # a test's words
        return show_html(self.app, self.showing, ulid, wanted, by=by, images=images)


@pytest.fixture
def site(app: App, clock: Frozen) -> Site:
    return Site(app, clock)


def test_M13_a_page_has_the_header_that_keeps_it_from_everything(site: Site) -> None:
    shown = site.shown(site.html("<p>Hello</p>"))
    assert dict(shown.header) == {
        "Content-Security-Policy": POLICY,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-DNS-Prefetch-Control": "off",
        "Cache-Control": "private",
    }
    assert shown.type == "text/html; charset=utf-8"
    assert b"<p>Hello</p>" in shown.content


def test_M13_pictures_from_elsewhere_come_only_where_asked_for(site: Site) -> None:
    ulid = site.html('<img src="http://world.example/a.png" alt="offer">')
    page = site.page(ulid)
    assert "world.example" not in page
    assert "1 picture from elsewhere was not loaded." in page
    shown = site.shown(ulid, images=True)
    assert b'src="https://world.example/a.png"' in shown.content
    assert "img-src 'self' data: https:;" in shown.header["Content-Security-Policy"]


def test_M13_with_a_public_address_a_page_loads_pictures_of_its_own_mail_only(site: Site) -> None:
    ulid = site.html("<p>Hello</p>")
    site.app = replace(site.app, public_url="https://mail.acme.example/")
    policy = site.shown(ulid, pictures="/mails/{id}/cid/").header["Content-Security-Policy"]
    assert f"img-src https://mail.acme.example/mails/{ulid}/cid/ data:;" in policy


def test_M13_held_mail_shows_its_text_first(site: Site) -> None:
    ulid = site.html("<p>Hello <b>there</b></p>", "crm@acme.example")
    assert "<b>" not in site.page(ulid)
    assert "Hello there" in site.page(ulid)
    assert "<b>there</b>" in site.page(ulid, plain=False)


def test_M13_a_mail_whose_reading_dies_is_shown_as_its_text(site: Site) -> None:
    ulid = site.html("<p>Hello</p>")

    class Dying(InProcess):
        @override
        def show(self, raw: bytes | Path, wish: Wish) -> Shown:
            return super().show(b"kill-the-reader", wish)

    shown = show_html(site.app, Showing(Dying()), ulid, Asked(), by=OPERATOR)
    assert b"Only the text of this mail is shown. The reader was killed." in shown.content
    assert b">Hello</div>" in shown.content
    assert shown.header["Content-Security-Policy"] == POLICY


def test_M13_a_mail_that_cannot_be_read_is_a_page_that_says_so(site: Site) -> None:
    ulid = site.raw(b"\r\n \r\n")
    shown = site.shown(ulid)
    assert b"This mail could not be read. The mail is empty." in shown.content
    assert shown.header["Content-Security-Policy"] == POLICY


def test_M13_an_attached_mail_is_shown_by_its_part(site: Site) -> None:
    more = 'Content-Type: multipart/mixed; boundary="b"\r\n'
    inner = "From: x@y.example\r\nContent-Type: text/html\r\n\r\n<i>Within</i>"
    body = f"--b\r\n\r\nOuter\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n{inner}\r\n--b--"
    ulid = site.raw(f"From: a@b.example\r\nTo: info@acme.example\r\n{more}\r\n{body}".encode())
    assert "<i>Within</i>" in site.page(ulid, within="2")
    assert "Outer" not in site.page(ulid, within="2")
    for path in ("1", "7", "2~1", "~", "2~2~2~2~2~2~2", "x" * 500):
        with pytest.raises(RefusedError) as refused:
            site.page(ulid, within=path)
        assert refused.value.reason is Reason.NOT_FOUND


def test_M13_who_has_no_right_to_a_mail_sees_no_page_of_it(site: Site) -> None:
    ulid = site.html("<p>Secret</p>", "crm@acme.example")
    for look in (
        lambda: site.page(ulid, Actor(EVA)),
        lambda: ticket_for(site.app, ulid, by=Actor(EVA)),
    ):
        with pytest.raises(RefusedError) as refused:
            look()
        assert refused.value.reason is Reason.NOT_ALLOWED


class TestKept:
    def test_M13_a_page_is_made_once_for_each_way_of_looking(self, site: Site) -> None:
        ulid = site.html("<p>Hello</p>")
        before = site.reader.count
        for _ in range(3):
            site.page(ulid)
        assert site.reader.count == before + 1
        site.page(ulid, images=True)
        site.page(ulid, plain=True)
        assert site.reader.count == before + 3

    def test_M13_no_more_is_kept_than_there_is_room_for(self, site: Site) -> None:
        site.showing = Showing(site.reader, kept=10_000)
        ulids = [site.html(f"<p>{letter * 3000}</p>") for letter in "abcd"]
        for ulid in ulids:
            site.page(ulid)
        assert 0 < site.showing._octets <= 10_000
        assert site.showing._octets == sum(len(one) for _, one in site.showing._pages.values())
        before = site.reader.count
        site.page(ulids[-1])
        assert site.reader.count == before
        site.page(ulids[0])
        assert site.reader.count == before + 1


class TestTickets:
    def test_M13_a_ticket_opens_the_page_and_says_whether_pictures_come(self, site: Site) -> None:
        ulid = site.html('<img src="https://world.example/a.png">')
        made = ticket_for(site.app, ulid, by=Actor(JAN), images=True)
        shown = show_by_ticket(site.app, site.showing, ulid, made.ticket, Asked())
        assert b"https://world.example/a.png" in shown.content
        plain = ticket_for(site.app, ulid, by=Actor(JAN)).ticket
        shown = show_by_ticket(site.app, site.showing, ulid, plain, Asked())
        assert b"world.example" not in shown.content

    def test_M13_a_ticket_opens_one_mail_for_a_while_and_nothing_else(self, site: Site) -> None:
        ulid, other = site.html("<p>Hello</p>"), site.html("<p>There</p>")
        made = ticket_for(site.app, ulid, by=Actor(JAN)).ticket
        self.refused(site, other, made)
        self.refused(site, "01" + "K" * 24, made)
        for wrong in ("", "x", made[:-2], made + "A", "é", "v1:" + "A" * 5000):
            self.refused(site, ulid, wrong)
        site.clock.advance(timedelta(minutes=10))
        self.refused(site, ulid, made)

    def test_M13_a_ticket_opens_no_more_than_its_maker_may_see(self, site: Site) -> None:
        ulid = site.html("<p>Hello</p>")
        made = ticket_for(site.app, ulid, by=Actor(JAN)).ticket
        with site.app.store.write() as tx:
            tx.connection.exec_driver_sql(
                "UPDATE memberships SET state = 'refused' WHERE user_id = 3"
            )
        with pytest.raises(RefusedError) as refused:
            show_by_ticket(site.app, site.showing, ulid, made, Asked())
        assert refused.value.reason is Reason.NOT_FOUND

    def test_M13_the_pictures_of_a_page_end_with_its_ticket(self, site: Site) -> None:
        ulid = site.raw(WITH_PICTURE)
        made = ticket_for(site.app, ulid, by=Actor(JAN)).ticket
        site.clock.advance(timedelta(minutes=9))
        pictures = self.pictures(site, ulid, made)
        site.clock.advance(timedelta(minutes=1))
        with pytest.raises(RefusedError) as refused:
            opened_ticket(site.app, Purpose.PICTURES, ulid, pictures)
        assert refused.value.reason is Reason.TICKET_REFUSED

    def pictures(self, site: Site, ulid: str, ticket: str) -> str:
        shown = show_by_ticket(site.app, site.showing, ulid, ticket, Asked())
        return shown.content.decode().partition('src="cid/')[2].partition("/")[0]

    def test_M13_without_a_key_there_are_no_tickets(self, site: Site) -> None:
        ulid = site.html("<p>Hello</p>")
        site.app = replace(site.app, key=None)
        with pytest.raises(RefusedError) as refused:
            ticket_for(site.app, ulid, by=OPERATOR)
        assert refused.value.reason is Reason.CONFLICT
        assert "Hello" in site.page(ulid)

    def refused(self, site: Site, ulid: str, ticket: str) -> None:
        with pytest.raises(RefusedError) as refused:
            show_by_ticket(site.app, site.showing, ulid, ticket, Asked())
        assert refused.value.reason is Reason.TICKET_REFUSED
