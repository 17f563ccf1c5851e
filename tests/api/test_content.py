"""Mails, files and pictures over HTTP: exact header, and tickets where a browser has no token (M13, ux.md 2.1)."""

from __future__ import annotations

import base64
import io
import re
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import quote

from maild.testing.world import World
from tests.api.served import Served
from tests.core.company import Post
from tests.core.conftest import Frozen

PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 40
SANDBOX = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src 'self' data:"
)


def a_mail(acme: World, subject: str = "Offer") -> str:
    encoded = base64.b64encode(PNG).decode()
    raw = (
        f"From: anna@rossi.example\r\nTo: info@acme.example\r\nSubject: {subject}\r\n"
        "Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n"
        '<p onclick=x>Hi</p><img src="cid:a@b"><img src="https://world.example/x.png">\r\n--b\r\n'
        'Content-Type: image/png; name="Übersicht.png"\r\nContent-ID: <a@b>\r\n'
        f"Content-Transfer-Encoding: base64\r\n\r\n{encoded}\r\n--b--\r\n"
    )
    post = Post(acme.app)
    [answer] = post.send(raw.encode())
    post.decide()
    return str(answer.facts["ref"])


def test_M13_a_mail_comes_as_a_page_with_its_header(
    served: Served, acme: World, admin: str
) -> None:
    mail = a_mail(acme)
    page = served.ask("GET", f"/mails/{mail}/body", token=admin)
    assert page.status == 200
    assert page.header["content-type"] == "text/html; charset=utf-8"
    assert page.header["content-security-policy"].startswith(SANDBOX)
    assert page.header["cache-control"] == "private"
    assert page.header["x-content-type-options"] == "nosniff"
    assert page.header["referrer-policy"] == "no-referrer"
    assert b"<p>Hi</p>" in page.raw
    assert b"world.example" not in page.raw
    text = served.ask("GET", f"/mails/{mail}/body?part=text", token=admin)
    assert b"<p>Hi</p>" not in text.raw
    assert served.ask("GET", f"/mails/{mail}/body?part=both", token=admin).code == "INVALID_REQUEST"
    assert served.ask("GET", f"/mails/{mail}/body?within=7", token=admin).code == "NOT_FOUND"


def test_M13_a_ticket_opens_a_page_and_the_page_its_pictures(
    served: Served, acme: World, admin: str, clock: Frozen
) -> None:
    mail = a_mail(acme)
    made = served.ask("POST", f"/mails/{mail}/tickets", {"images": True}, token=admin)
    assert (made.status, made.body["images"]) == (201, True)
    asked = f"/mails/{mail}/body?ticket={quote(made.body['ticket'])}"
    page = served.ask("GET", asked)
    assert page.status == 200
    assert b"https://world.example/x.png" in page.raw
    assert page.header["content-security-policy"].startswith(f"{SANDBOX} https:;")
    address = page.raw.decode().partition('src="cid/')[2].partition('"')[0]
    picture = served.ask("GET", f"/mails/{mail}/cid/{address}")
    assert (picture.status, picture.raw) == (200, PNG)
    assert picture.header["content-type"] == "image/png"
    assert picture.header["content-security-policy"].startswith("sandbox; default-src 'none'")
    clock.advance(timedelta(minutes=11))
    assert served.ask("GET", asked).code == "TICKET_REFUSED"
    assert served.ask("GET", f"/mails/{mail}/cid/{address}").code == "TICKET_REFUSED"


def test_M13_all_pictures_of_a_page_come_though_all_are_asked_for_at_once(
    served: Served, acme: World, admin: str
) -> None:
    encoded = base64.b64encode(PNG).decode()
    parts = "".join(
        f"--b\r\nContent-Type: image/png\r\nContent-ID: <a{at}@b>\r\nContent-Transfer-Encoding: base64\r\n\r\n{encoded}\r\n"
        for at in range(40)
    )
    raw = (
        "From: anna@rossi.example\r\nTo: info@acme.example\r\nContent-Type: multipart/related; boundary=b\r\n\r\n"
        "--b\r\nContent-Type: text/html\r\n\r\n"
        + "".join(f'<img src="cid:a{at}@b">' for at in range(40))
        + f"\r\n{parts}--b--\r\n"
    )
    post = Post(acme.app)
    [answer] = post.send(raw.encode())
    post.decide()
    mail = answer.facts["ref"]
    page = served.ask("GET", f"/mails/{mail}/body", token=admin).raw.decode()
    addresses = re.findall(r'src="cid/([^"]+)"', page)
    with ThreadPoolExecutor(40) as browser:
        found = list(
            browser.map(lambda one: served.ask("GET", f"/mails/{mail}/cid/{one}").status, addresses)
        )
    assert found == [200] * 40


def test_M13_a_ticket_opens_nothing_else(served: Served, acme: World, admin: str) -> None:
    mail, other = a_mail(acme), a_mail(acme, "Other")
    made = served.ask("POST", f"/mails/{mail}/tickets", {}, token=admin)
    ticket = quote(made.body["ticket"])
    assert made.body["images"] is False
    for path in (
        f"/mails/{other}/body?ticket={ticket}",
        f"/mails/{mail}/body?ticket=x",
        f"/mails/{mail}/body?ticket=",
        f"/mails/{mail}/cid/{ticket}/2",
        f"/mails/{'K' * 26}/cid/x/2",
    ):
        assert served.ask("GET", path).code == "TICKET_REFUSED", path
    for path in (
        f"/mails/{mail}/body",
        f"/mails/{mail}?ticket={ticket}",
        f"/mails/{mail}/attachments/2?ticket={ticket}",
        f"/mails/{mail}/cid",
    ):
        assert served.ask("GET", path).code == "TOKEN_REFUSED", path


def test_M13_a_file_is_saved_under_its_name(served: Served, acme: World, admin: str) -> None:
    mail = a_mail(acme)
    file = served.ask("GET", f"/mails/{mail}/attachments/2", token=admin)
    assert (file.status, file.raw) == (200, PNG)
    assert file.header["content-length"] == str(len(PNG))
    assert file.header["content-disposition"] == (
        "attachment; filename=\"_bersicht.png\"; filename*=UTF-8''%C3%9Cbersicht.png"
    )
    assert served.ask("GET", f"/mails/{mail}/attachments/9", token=admin).code == "NOT_FOUND"
    made = served.ask("GET", f"/mails/{mail}/attachments.zip", token=admin)
    assert made.header["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(made.raw)) as archive:
        assert archive.read("Übersicht.png") == PNG
