"""Against the real Dovecot: what goes in comes out, and what is deleted was meant to be."""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from pathlib import Path

import pytest

from maild.core.remote import Bearer, Bounds, Password, Patience, RemoteError, Trouble
from maild.doors.pop.client import PopClient
from maild.model.source import TlsMode
from maild.testing.certificates import Certificates
from tests.doors_pop.conftest import ODD_PASSWORDS, Box, content, elsewhere

MAIL = b"From: a@b.example\r\nSubject: one\r\n\r\ntext\r\n"


def a_mail(number: int, lines: int = 70) -> bytes:
    return b"From: a@b.example\r\nSubject: mail %d\r\n\r\n" % number + b"a line of text\r\n" * lines


@pytest.mark.parametrize("tls", list(TlsMode))
def test_D4_a_mail_comes_as_it_is_however_the_line_is_protected(box: Box, tls: TlsMode) -> None:
    box.fill(MAIL)
    client = box.session(box.endpoint(tls))
    assert content(box.fetch(client)[1]) == MAIL
    client.commit()


def test_T15_a_certificate_of_nobody_we_trust_is_refused(box: Box) -> None:
    certificates = Certificates()
    endpoint = dataclasses.replace(
        box.endpoint(TlsMode.IMPLICIT), ca_file=str(certificates.path("good"))
    )
    with pytest.raises(RemoteError) as failed:
        box.connect(endpoint)
    assert failed.value.trouble is Trouble.TLS_FAILED
    certificates.remove()


@pytest.mark.parametrize("tls", [TlsMode.IMPLICIT, TlsMode.STARTTLS])
def test_T15_a_certificate_for_another_host_is_refused(box: Box, tls: TlsMode) -> None:
    with pytest.raises(RemoteError) as failed:
        box.connect(box.endpoint(tls, host="pop.example"))
    assert failed.value.trouble is Trouble.TLS_FAILED
    assert "pop.example" in failed.value.said


def test_a_ca_file_that_is_not_there_is_said(box: Box, tmp_path: Path) -> None:
    endpoint = dataclasses.replace(box.endpoint(TlsMode.IMPLICIT), ca_file=str(tmp_path / "no"))
    with pytest.raises(RemoteError) as failed:
        box.connect(endpoint)
    assert failed.value.trouble is Trouble.TLS_FAILED
    assert "CA file" in failed.value.said


def test_a_wrong_password_is_refused_login(box: Box) -> None:
    client = box.connect()
    with pytest.raises(RemoteError) as failed:
        client.sign_in(Password(box.user, "wr0ng"))
    assert failed.value.trouble is Trouble.REFUSED_LOGIN
    assert "wr0ng" not in str(failed.value)


@pytest.mark.parametrize("number", range(len(ODD_PASSWORDS)))
def test_odd_signs_in_a_password_arrive(box: Box, number: int) -> None:
    client = box.connect()
    client.sign_in(Password(f"odd{number}", ODD_PASSWORDS[number]))
    assert client.listing() == []


@pytest.mark.parametrize("sign", ["\r", "\n", "\0"])
def test_a_line_end_in_a_secret_goes_nowhere(box: Box, sign: str) -> None:
    client = box.connect()
    with pytest.raises(RemoteError) as failed:
        client.sign_in(Password(box.user, f"secret{sign}DELE 1"))
    assert failed.value.trouble is Trouble.REFUSED_LOGIN


def test_capabilities_are_read_again_after_signing_in(box: Box) -> None:
    client = box.connect()
    before = client.capabilities
    client.sign_in(Password(box.user, "secret"))
    assert "SASL" in before
    assert "SASL" not in client.capabilities
    assert {"UIDL", "TOP", "PIPELINING"} <= client.capabilities


@pytest.mark.slow
def test_two_thousand_mails_come_in_their_order(box: Box) -> None:
    mails = [a_mail(number) for number in range(2000)]
    box.fill(*mails)
    client = box.session()
    listing = client.listing()
    assert [listed.number for listed in listing] == list(range(1, 2001))
    assert len({listed.uidl for listed in listing}) == 2000
    got = [content(raw) for raw in box.fetch(client).values()]
    assert sorted(got) == sorted(mails)
    heads = dict(client.tops([listed.number for listed in listing]))
    assert all(whole.startswith(heads[n] or b"?") for n, whole in enumerate(got, 1))
    client.commit()


@pytest.mark.slow
def test_a_mail_of_20_mb_goes_through_a_file_and_comes_whole(box: Box, tmp_path: Path) -> None:
    whole = a_mail(1) + b"0123456789" * 7 + b"\r\n..\r\n.\r\n" + b"some more of it\r\n" * 1_200_000
    box.fill(whole)
    raw = box.fetch(box.session(box.endpoint(TlsMode.IMPLICIT)))[1]
    assert raw is not None
    assert raw.spooled is not None
    assert raw.digest == hashlib.sha256(whole).hexdigest()
    raw.discard()
    assert list(tmp_path.iterdir()) == []


def test_D2_bare_cr_dots_and_long_lines_come_as_they_are(box: Box) -> None:
    odd = b"Subject: a\rFrom: c@d.example\r\n\r\n.\r\n..\r\n.x\r\n\rb\r\r\r" + b"x" * 9000 + b"\r\n"
    box.fill(odd)
    assert content(box.fetch(box.session())[1]) == odd


def test_a_mail_with_dots_at_the_edges_of_chunks_comes_whole(box: Box) -> None:
    mails = [b"A: b\r\n\r\n" + b"y" * pad + b"\r\n.\r\n.." * 40_000 + b"\r\n" for pad in range(4)]
    box.fill(*mails)
    assert sorted(content(raw) for raw in box.fetch(box.session()).values()) == sorted(mails)


def test_mails_of_equal_content_are_several(box: Box) -> None:
    box.fill(MAIL, MAIL, MAIL)
    client = box.session()
    assert [listed.size for listed in client.listing()] == [len(MAIL)] * 3
    assert [content(raw) for raw in box.fetch(client).values()] == [MAIL] * 3


def test_an_empty_box_lists_nothing(box: Box) -> None:
    assert box.session().listing() == []


def test_top_is_the_header_with_its_empty_line(box: Box) -> None:
    box.fill(MAIL)
    assert box.session().top(1) == b"From: a@b.example\r\nSubject: one\r\n\r\n"


def test_top_of_a_mail_that_is_not_there_is_none_and_the_session_goes_on(box: Box) -> None:
    box.fill(MAIL)
    client = box.session()
    assert client.top(7) is None
    assert client.top(1) is not None


def test_D11_a_mail_that_is_refused_does_not_stop_the_others(box: Box) -> None:
    box.fill(MAIL, MAIL)
    fetched = dict(box.session().fetch([1, 9, 2], box.spool, max_size=1000))
    assert [number for number, raw in fetched.items() if raw is None] == [9]


def test_a_mail_beyond_the_size_is_left_and_the_others_come(box: Box, tmp_path: Path) -> None:
    box.fill(a_mail(1, lines=5000))
    box.fill(MAIL)
    client = box.session()
    sizes = {listed.number: listed.size for listed in client.listing()}
    fetched = dict(client.fetch(sizes, box.spool, max_size=60_000))
    large = max(sizes, key=lambda number: sizes[number])
    assert [number for number, raw in fetched.items() if raw is None] == [large]
    assert client.too_large == {large}
    assert list(tmp_path.iterdir()) == []


def test_D4_what_is_marked_goes_when_the_session_ends_well(box: Box) -> None:
    box.fill(MAIL, MAIL, MAIL)
    client = box.session()
    assert client.delete([1, 3]) == {1, 3}
    client.commit()
    assert box.count() == 1


def test_a_deletion_that_is_refused_is_not_counted(box: Box) -> None:
    box.fill(MAIL)
    client = box.session()
    assert client.delete([1, 1, 8]) == {1}


def test_D4_a_line_that_is_cut_deletes_nothing(box: Box) -> None:
    box.fill(MAIL, MAIL)
    client = box.session()
    assert client.delete([1, 2]) == {1, 2}
    client.close()
    assert len(box.session().listing()) == 2


def test_a_session_that_is_rolled_back_deletes_nothing(box: Box) -> None:
    box.fill(MAIL, MAIL)
    client = box.session()
    client.delete([1, 2])
    client.roll_back()
    assert box.count() == 2


def test_a_fetch_that_is_left_in_between_ends_the_session(box: Box) -> None:
    box.fill(*[a_mail(number) for number in range(20)])
    client = box.session()
    for _ in client.fetch(range(1, 21), box.spool, max_size=10_000):
        break
    with pytest.raises(RemoteError) as failed:
        client.noop()
    assert failed.value.trouble is Trouble.LINE_LOST


def test_an_error_of_the_disk_passes_and_ends_the_session(box: Box) -> None:
    box.fill(MAIL, MAIL)
    client = box.session()

    class FullSpool(type(box.spool())):  # type: ignore[misc]  # mypy knows no class by its object
        def write(self, piece: bytes, *, is_crlf: bool = False) -> None:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        list(client.fetch([1, 2], lambda: FullSpool(Path("/nowhere"), 100), max_size=1000))
    with pytest.raises(RemoteError):
        client.noop()


@pytest.mark.parametrize("tls", [TlsMode.NONE, TlsMode.IMPLICIT])
def test_abort_ends_a_session_that_waits(box: Box, tls: TlsMode) -> None:
    box.fill(MAIL)
    client = box.session(box.endpoint(tls))
    client._wire.asked += 1  # It waits for what nobody asked.
    failures: list[RemoteError] = []
    reached = threading.Event()

    def wait() -> None:
        reached.set()
        try:
            client._wire.answer()
        except RemoteError as error:
            failures.append(error)

    client._wire.give(60)
    waiting = elsewhere(wait)
    reached.wait(10)
    client.abort()
    waiting.join(10)
    assert [failure.trouble for failure in failures] == [Trouble.LINE_LOST]


def test_nothing_listens_there(box: Box) -> None:
    endpoint = dataclasses.replace(box.endpoint(), port=1)
    with pytest.raises(RemoteError) as failed:
        box.connect(endpoint)
    assert failed.value.trouble is Trouble.NOT_REACHED


def test_a_clear_session_to_a_tls_port_is_not_this_protocol(box: Box) -> None:
    endpoint = dataclasses.replace(box.endpoint(), port=box.dovecot.pops)
    with pytest.raises(RemoteError) as failed:
        PopClient.connect(endpoint, "127.0.0.1", patience=Patience(connect=1), bounds=Bounds())
    assert failed.value.trouble is Trouble.NOT_THIS_PROTOCOL


def test_tls_to_a_clear_port_is_tls_failed(box: Box) -> None:
    endpoint = dataclasses.replace(box.endpoint(TlsMode.IMPLICIT), port=box.dovecot.pop)
    with pytest.raises(RemoteError) as failed:
        box.connect(endpoint)
    assert failed.value.trouble is Trouble.TLS_FAILED


def test_a_server_without_xoauth2_refuses_a_token(box: Box) -> None:
    client = box.connect()
    with pytest.raises(RemoteError) as failed:
        client.sign_in(Bearer(box.user, "t0ken"))
    assert failed.value.trouble in {Trouble.REFUSED_LOGIN, Trouble.LOGIN_LATER}
    assert "t0ken" not in str(failed.value)
