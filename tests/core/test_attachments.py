"""Files out of mails: whole, harmless for a browser and for a disk, and only for whom the mail is (M13)."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from typing_extensions import override

from maild.core import attachments
from maild.core.app import OPERATOR, Actor, App
from maild.core.attachments import ARCHIVE_MAX, File, archive, attachment, picture_by_ticket
from maild.core.file_names import disposition, file_name
from maild.core.showing import Asked, Showing, show_html
from maild.core.views import raw_mail, show_mail
from maild.model.reason import Reason, RefusedError
from maild.model.shown import Shown, Wish
from maild.parse.pool import ReaderDiedError
from maild.store.store import Store
from tests.conftest import UrlOf
from tests.core.company import EVA, READER, InProcess, Post, a_company
from tests.core.test_showing import KEY
from tests.parse.test_calendar import MEETING, calendar
from tests.parse.winmail import file as file_in, winmail

PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 40
HARMLESS = {
    "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'self'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private",
}


def part(
    type_: str, content: bytes, name: str = "", more: str = "", encoding: str = "base64"
) -> str:
    disposition_ = f'Content-Disposition: attachment; filename="{name}"\r\n' if name else ""
    body = (
        base64.encodebytes(content).decode().replace("\n", "\r\n")
        if encoding == "base64"
        else content.decode("latin-1")
    )
    return f"Content-Type: {type_}\r\n{disposition_}{more}Content-Transfer-Encoding: {encoding}\r\n\r\n{body}\r\n"


class Site:
    def __init__(self, app: App) -> None:
        self.app = replace(app, key=KEY)
        a_company(app)
        self.post = Post(app)

    def mail(self, *parts: str, to: str = "info@acme.example", kind: str = "mixed") -> str:
        head = (
            f"From: a@b.example\r\nTo: {to}\r\nContent-Type: multipart/{kind}; boundary=b\r\n\r\n"
        )
        body = "".join(f"--b\r\n{one}" for one in ("\r\nHello\r\n", *parts)) + "--b--\r\n"
        return self.raw((head + body).encode("latin-1"), to)

    def raw(self, content: bytes, to: str = "info@acme.example") -> str:
        [answer] = self.post.send(content, to)
        self.post.decide()
        return str(answer.facts["ref"])

    def file(self, ulid: str, path: str = "2", by: Actor = OPERATOR) -> File:
        return attachment(self.app, READER, ulid, path, by=by)


def whole(file: File) -> bytes:
    return b"".join(file.pieces)


@pytest.fixture
def site(app: App) -> Site:
    return Site(app)


def test_M13_a_file_comes_out_as_it_went_in(site: Site) -> None:
    sizes = (0, 1, 2, 3, 100, 200_000)
    contents = [(bytes(range(33, 90)) * (size // 57 + 1))[:size] for size in sizes]
    for encoding in ("base64", "binary"):
        ulid = site.mail(
            *(part("application/x", one, "a.bin", encoding=encoding) for one in contents)
        )
        for at, content in enumerate(contents, 2):
            file = site.file(ulid, str(at))
            assert whole(file) == content
            assert file.size == len(content)


def test_M13_what_is_not_clean_base64_comes_out_as_far_as_it_goes(site: Site) -> None:
    ulid = site.mail(
        "Content-Type: application/x\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJD*!\r\nREVG==QUJD\r\n",
        "Content-Type: text/x\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na=3Db=\r\nc\r\n",
    )
    file = site.file(ulid)
    assert whole(file).startswith(b"ABCDEF")
    assert whole(site.file(ulid, "3")) == b"a=bc"


TYPES = [
        ("image/png", PNG, "image/png"),
        ("IMAGE/PNG", PNG, "image/png"),
        ("image/jpg", b"\xff\xd8\xff\xe0x", "image/jpeg"),
        ("image/gif", b"GIF89a;", "image/gif"),
        ("image/webp", b"RIFF\0\0\0\0WEBPx", "image/webp"),
        ("application/pdf", b"%PDF-1.7\n", "application/pdf"),
        ("image/png", b"<html><script>alert(1)</script>", "application/octet-stream"),
        ("image/gif", PNG, "application/octet-stream"),
        ("application/pdf", b"<html>", "application/octet-stream"),
        ("image/svg+xml", b"<svg onload=alert(1)>", "application/octet-stream"),
        ("text/html", b"<script>alert(1)</script>", "application/octet-stream"),
        ("application/xhtml+xml", b"<html/>", "application/octet-stream"),
        ("text/xml", b"<x/>", "application/octet-stream"),
        ("text/javascript", b"alert(1)", "application/octet-stream"),
        ("application/x-shockwave-flash", b"FWS", "application/octet-stream"),
        ("x/y\tz", PNG, "application/octet-stream"),
]  # fmt: skip


def test_M13_a_browser_hears_only_harmless_types(site: Site) -> None:
    ulid = site.mail(*(part(type_, content, "a.png") for type_, content, _ in TYPES))
    for at, (type_, _, served) in enumerate(TYPES, 2):
        file = site.file(ulid, str(at))
        assert file.type == served, type_
        assert file.header["Content-Disposition"].startswith("attachment; ")
        assert HARMLESS.items() <= file.header.items()


class TestNames:
    @pytest.mark.parametrize(
        ("name", "kept"),
        [
            ("offer.pdf", "offer.pdf"),
            ("Angebot für Übersee.pdf", "Angebot für Übersee.pdf"),
            ("../../etc/passwd", "_.._etc_passwd"),
            ("C:\\Windows\\x.exe", "C__Windows_x.exe"),
            ("a\r\nSet-Cookie: x=1", "aSet-Cookie_ x=1"),
            ("invoice\u202efdp.exe", "invoicefdp.exe"),
            ("a\u200b\u2066b\ufeff.txt", "ab.txt"),
            ("CON", "_CON"), ("nul.txt", "_nul.txt"), ("Com1 .x", "_Com1 .x"),
            ("...", "instead"), ("", "instead"), (" . ", "instead"), (".htaccess", "htaccess"), ("-rf", "rf"), ("a. ", "a"),
            ("x" * 300 + ".pdf", "x" * 116 + ".pdf"),
            ("報" * 120 + ".pdf", "報" * 78 + ".pdf"), ("𝔵" * 100, "𝔵" * 60), ("x." + "報" * 100, "x." + "報" * 79),
            ('a"b\\c;d', "a_b_c;d"),
        ],
    )  # fmt: skip
    def test_M13_a_name_is_one_on_every_disk(self, name: str, kept: str) -> None:
        assert file_name(name, "instead") == kept

    def test_M13_a_field_says_the_name_twice_and_cannot_be_broken(self) -> None:
        said = disposition("attachment", 'Ü %22; x="1"\\.pdf')
        assert said.isascii()
        plain, _, extended = said.partition("; filename*=UTF-8''")
        assert plain == 'attachment; filename="_ _22; x=_1__.pdf"'
        assert unquote(extended) == 'Ü %22; x="1"\\.pdf'
        assert not set(extended) & set(" ;\"\\'*()<>@,")

    def test_M13_a_part_without_a_name_has_one_that_says_where_it_was(self, site: Site) -> None:
        ulid = site.mail(
            part("application/x", b"x"),
            part("message/rfc822", b"From: x\r\n\r\ny", encoding="7bit"),
        )
        assert site.file(ulid).name == "part-2.bin"
        assert site.file(ulid, "3").name == "part-3.eml"


class TestWithin:
    def test_M13_files_of_an_attached_mail_are_reached_through_it(self, site: Site) -> None:
        inner = (
            "Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nHi\r\n--c\r\n"
            + part("image/png", PNG, "p.png")
            + "--c--\r\n"
        )
        ulid = site.mail(part("message/rfc822", inner.encode(), "m.eml", encoding="7bit"))
        assert whole(site.file(ulid, "2~2")) == PNG
        assert whole(site.file(ulid, "2")).startswith(b"Content-Type: multipart/mixed")

    def test_M13_a_part_that_is_not_there_is_not_found(self, site: Site) -> None:
        ulid = site.mail(part("application/x", b"x"))
        for path in ("", "0", "9", "1~1", "2~", "~2", "2~1~1", "x" * 999, "2/../1", "é"):
            with pytest.raises(RefusedError) as refused:
                site.file(ulid, path)
            assert refused.value.reason is Reason.NOT_FOUND, path


class TestArchive:
    def test_M13_all_files_come_in_one_each_under_a_name_of_its_own(self, site: Site) -> None:
        ulid = site.mail(
            part("image/png", PNG, "a.png"),
            part("image/png", PNG + b"2", "A.PNG"),
            part("application/x", b"x" * 99_999, "../b"),
        )
        file = archive(site.app, READER, ulid, by=OPERATOR)
        assert (file.type, file.name) == ("application/zip", f"mail-{ulid}.zip")
        with zipfile.ZipFile(io.BytesIO(whole(file))) as made:
            assert made.testzip() is None
            assert {one: made.read(one) for one in made.namelist()} == {
                "a.png": PNG,
                "A (2).PNG": PNG + b"2", "_b": b"x" * 99_999,
            }  # fmt: skip

    def test_M13_what_stands_in_the_mail_as_it_is_costs_no_reading_of_its_own(
        self, site: Site
    ) -> None:
        class Counting(InProcess):
            asked = 0

            @override
            def show(self, raw: bytes | Path, wish: Wish) -> Shown:
                self.asked += 1
                return super().show(raw, wish)

        reader = Counting()
        quoted = part("application/x", b"=00=01", "q", encoding="quoted-printable")
        ulid = site.mail(
            *(part("image/png", PNG + b"%d" % number, f"{number}.png") for number in range(50)),
            part("application/x", b"raw", "r", encoding="8bit"),
            quoted,
            part("application/ms-tnef", winmail(file_in("in.txt", b"within")), "winmail.dat"),
        )
        file = archive(site.app, reader, ulid, by=OPERATOR)
        with zipfile.ZipFile(io.BytesIO(whole(file))) as made:
            kept = {one: made.read(one) for one in made.namelist()}
        assert [kept[f"{number}.png"] for number in range(50)] == [
            PNG + b"%d" % number for number in range(50)
        ]
        assert (kept["r"], kept["q"], kept["in.txt"]) == (b"raw", b"\0\x01", b"within")
        assert reader.asked == 3, (
            "one for all of them, one for what is quoted, one for what lies within"
        )

    def test_M13_a_large_mail_is_not_read_again_for_ever(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        quoted = [part("application/x", b"=00", encoding="quoted-printable")] * 5
        ulid = site.mail(*quoted, part("image/png", PNG))
        content = raw_mail(site.app, ulid, by=OPERATOR)
        assert isinstance(content, bytes)
        size = len(content)
        monkeypatch.setattr(attachments, "READ_MAX", 5 * size)
        archive(site.app, READER, ulid, by=OPERATOR)
        monkeypatch.setattr(attachments, "READ_MAX", 5 * size - 1)
        with pytest.raises(RefusedError, match="one by one"):
            archive(site.app, READER, ulid, by=OPERATOR)

    def test_M13_no_archive_of_nothing_or_of_too_many(self, site: Site) -> None:
        for parts, why in (
            ((), "no attachments"),
            ([part("application/x", b"")] * 201, "up to 200 files"),
        ):
            with pytest.raises(RefusedError, match=why):
                archive(site.app, READER, site.mail(*parts), by=OPERATOR)
        assert ARCHIVE_MAX == 200 * 2**20


class TestWho:
    def test_M13_who_may_not_see_a_mail_gets_no_file_of_it(self, site: Site) -> None:
        ulid = site.mail(part("image/png", PNG), to="crm@acme.example")
        for path in ("2", ""):
            with pytest.raises(RefusedError) as refused:
                self.look(site, ulid, path)
            assert refused.value.reason is Reason.NOT_ALLOWED

    def look(self, site: Site, ulid: str, path: str) -> File:
        if path:
            return site.file(ulid, path, Actor(EVA))
        return archive(site.app, READER, ulid, by=Actor(EVA))

    def test_M13_a_page_has_tickets_for_its_own_pictures_alone(self, site: Site) -> None:
        html = b'<img src="cid:logo@x"><img src="cid:page@x">'
        pictures = (
            part("image/png", PNG, more="Content-ID: <logo@x>\r\n"),
            part("image/svg+xml", b"<svg/>", more="Content-ID: <page@x>\r\n"),
        )
        ulid = site.mail(part("text/html", html), *pictures, kind="related")
        other = site.mail(part("image/png", PNG))
        page = show_html(
            site.app, Showing(READER), ulid, Asked(plain=False), by=OPERATOR
        ).content.decode()
        [address] = [one.partition('"')[0] for one in page.split('src="')[1:]]
        _, ticket, path = address.split("/")
        shown = picture_by_ticket(site.app, READER, ulid, ticket, path)
        assert (whole(shown), shown.type) == (PNG, "image/png")
        assert shown.header["Content-Disposition"].startswith("inline; ")
        # A page in a sandbox is of no origin.
        assert dict(shown.header) | {"Content-Disposition": ""} == HARMLESS | {
            "Content-Disposition": "",
            "Cross-Origin-Resource-Policy": "cross-origin",
        }
        for mail, part_, reason in (
            (ulid, "4", Reason.NOT_FOUND), (ulid, "2", Reason.NOT_FOUND), (ulid, "9", Reason.NOT_FOUND), (other, "2", Reason.TICKET_REFUSED),
        ):  # fmt: skip
            with pytest.raises(RefusedError) as refused:
                picture_by_ticket(site.app, READER, mail, ticket, part_)
            assert refused.value.reason is reason


def test_M13_a_large_file_is_never_whole_in_memory(tmp_path: Path, url_of: UrlOf) -> None:
    """Beyond `inline_max` a mail is a file, and what is yielded of it are pieces."""
    store = Store(url_of("sqlite"), tmp_path / "bodies")
    app = App(store=store)
    site = Site(app)
    content = bytes(range(256)) * 8_000
    file = site.file(site.mail(part("application/x", content, "a.bin")))
    pieces: Iterator[bytes] = file.pieces
    sizes = [len(one) for one in pieces]
    store.close()
    assert max(sizes) <= 64 * 1024
    assert sum(sizes) == len(content) == file.size


class TestOpened:
    """What a mail's document says of parts that hold more."""

    def show(self, site: Site, ulid: str) -> dict[str, Any]:
        return show_mail(site.app, READER, ulid, by=OPERATOR)

    def test_M13_a_winmail_opens_into_its_files(self, site: Site) -> None:
        wrapped = winmail(
            file_in("offer.pdf", b"%PDF-1", "application/pdf"), body="Hello from within"
        )
        ulid = site.mail(part("application/ms-tnef", wrapped, "winmail.dat"))
        listed = [(one["name"], one["path"]) for one in self.show(site, ulid)["attachments"]]
        assert listed == [("winmail.dat", "2"), ("offer.pdf", "2~1"), ("message.txt", "2~2")]
        found = site.file(ulid, "2~1")
        assert (whole(found), found.type, found.name) == (b"%PDF-1", "application/pdf", "offer.pdf")
        for path in ("2~0", "2~3", "2~x", "2~1~1", "2~99999999999"):
            with pytest.raises(RefusedError):
                site.file(ulid, path)

    def test_M13_what_a_mail_says_only_within_a_winmail_is_shown(self, site: Site) -> None:
        wrapped = winmail(html=b"<p onclick=x>From <b>within</b></p>")
        head = "From: a@b.example\r\nTo: info@acme.example\r\n"
        ulid = site.raw((head + part("application/ms-tnef", wrapped, "winmail.dat")).encode())
        page = show_html(site.app, Showing(READER), ulid, Asked(), by=OPERATOR).content
        assert b"<p>From <b>within</b></p>" in page

    def test_M13_an_invitation_is_a_card_once(self, site: Site) -> None:
        twice = part("text/calendar; method=REQUEST", calendar(MEETING), encoding="binary")
        ulid = site.mail(twice, part("application/ics", calendar(MEETING), "invite.ics"))
        [event] = self.show(site, ulid)["calendar"]
        assert event["summary"] == "Baubesprechung, Rossi"
        assert event["starts"] == "2026-11-20T09:00:00Z"

    @pytest.mark.parametrize(
        ("kind", "inner", "expected"),
        [
            ('multipart/signed; protocol="application/pkcs7-signature"', "application/pkcs7-signature", ("signed", "S/MIME", False)),
            ('multipart/signed; protocol="application/pgp-signature"', "application/pgp-signature", ("signed", "OpenPGP", False)),
            ('multipart/encrypted; protocol="application/pgp-encrypted"', "application/pgp-encrypted", ("encrypted", "OpenPGP", True)),
            ("multipart/mixed", "application/pkcs7-mime; smime-type=enveloped-data", ("encrypted", "S/MIME", True)),
            ("multipart/mixed", "application/pkcs7-mime; smime-type=signed-data", ("signed", "S/MIME", True)),
        ],
    )  # fmt: skip
    def test_M13_signed_and_encrypted_mail_says_so(
        self, site: Site, kind: str, inner: str, expected: tuple[str, str, bool]
    ) -> None:
        ulid = site.mail(part(inner, b"x" * 30), kind=kind.removeprefix("multipart/"))
        found = self.show(site, ulid)["protection"]
        assert tuple(found.values()) == expected
        page = show_html(site.app, Showing(READER), ulid, Asked(), by=OPERATOR).content.decode()
        assert f"This mail is {expected[0]} ({expected[1]})" in page

    @pytest.mark.parametrize(
        ("type_", "name"),
        [
            ("application/pkcs7-mime; smime-type=enveloped-data", "old.p7m"),
            ("application/pkcs7-mime; smime-type=compressed-data", ""),
            ("application/pkcs7-mime; smime-type=certs-only", ""),
        ],
    )
    def test_M13_what_is_attached_and_what_protects_nothing_says_nothing_of_the_mail(
        self, site: Site, type_: str, name: str
    ) -> None:
        ulid = site.mail(part(type_, b"x" * 30, name))
        assert self.show(site, ulid)["protection"] is None

    def test_M13_encrypted_text_says_so(self, site: Site) -> None:
        text = b"From: a@b.example\r\nTo: info@acme.example\r\n\r\n-----BEGIN PGP MESSAGE-----\r\nx"
        assert self.show(site, site.raw(text))["protection"]["kind"] == "encrypted"

    def test_M13_an_ordinary_mail_is_not_opened_for_that(self, site: Site) -> None:
        ulid = site.mail(part("image/png", PNG))
        shown = show_mail(site.app, NEVER, ulid, by=OPERATOR)
        assert (shown["calendar"], shown["protection"]) == ([], None)

    def test_M13_a_mail_whose_parts_kill_the_reader_is_shown_without_them(self, site: Site) -> None:
        ulid = site.mail(part("text/calendar", calendar(MEETING), "invite.ics"))
        shown = show_mail(site.app, NEVER, ulid, by=OPERATOR)
        assert [one["name"] for one in shown["attachments"]] == ["invite.ics"]
        assert "its parts could not be opened: The reader was killed." in shown["degraded"]


class _Never(InProcess):
    @override
    def show(self, raw: bytes | Path, wish: Wish) -> Shown:
        raise ReaderDiedError("The reader was killed.")


NEVER = _Never()
