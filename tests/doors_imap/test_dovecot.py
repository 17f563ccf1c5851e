"""The client with a real Dovecot: every way in, every act."""

from __future__ import annotations

import asyncio
import imaplib
from contextlib import closing
from pathlib import Path

import pytest

from maild.core.remote import Bounds, Endpoint, Password, Patience, RemoteError, Tls, Trouble
from maild.doors.imap.client import Head, ImapClient
from maild.testing.certificates import Certificates
from maild.testing.dovecot import Dovecot
from maild.testing.scripted_imap import mail
from tests.doors_imap.conftest import ODD_SECRETS, Account, odd_name
from tests.doors_imap.round import content_of, with_client

HURRIED = Patience(connect=5, sign_in=30, command=5, idle_data=5, whole_fetch=60)
ODD = [
    "a b",
    "a (b) [c]",
    'say "hi"',
    "back\\slash",
    "Grüße & Küsse",
    "&-",
    "東京",
    "😀",
    "per%cent",
]


def trouble_with(endpoint: Endpoint, proof: Password | None) -> RemoteError:
    async def nothing(client: ImapClient) -> None:
        await client.select("INBOX")

    with pytest.raises(RemoteError) as caught:
        with_client(endpoint, proof, nothing, patience=HURRIED)
    return caught.value


async def heads_in(client: ImapClient) -> list[Head]:
    return [head async for head in client.heads(await client.uids())]


async def contents_in(client: ImapClient, account: Account) -> dict[int, bytes]:
    wanted = [(head.uid, head.size) for head in await heads_in(client)]
    return {
        uid: content_of(raw)
        async for uid, raw in client.bodies(wanted, account.spool)
        if raw is not None
    }


@pytest.mark.parametrize("tls", Tls)
def test_signs_in_clear_by_STARTTLS_and_by_implicit_TLS(account: Account, tls: Tls) -> None:
    async def act(client: ImapClient) -> None:
        assert (await client.select("INBOX")).exists == 0
        assert {"IDLE", "MOVE", "UIDPLUS"} <= client.capabilities

    with_client(account.endpoint(tls), account.proof, act)


@pytest.mark.parametrize("tls", [Tls.STARTTLS, Tls.IMPLICIT])
def test_T15_a_certificate_of_nobody_we_trust_is_refused(account: Account, tls: Tls) -> None:
    others = Certificates()
    endpoint = account.endpoint(tls)
    stranger = Endpoint(
        host=endpoint.host, port=endpoint.port, tls=tls, ca_file=str(others.trusted("good"))
    )
    error = trouble_with(stranger, account.proof)
    others.remove()
    assert (error.trouble, error.said) == (Trouble.TLS_FAILED, "self-signed certificate")


@pytest.mark.parametrize("tls", [Tls.STARTTLS, Tls.IMPLICIT])
def test_T15_a_certificate_for_another_host_is_refused(account: Account, tls: Tls) -> None:
    error = trouble_with(account.endpoint(tls, "mail.example"), account.proof)
    assert error.trouble is Trouble.TLS_FAILED
    assert "mail.example" in error.said


def test_a_file_of_certificates_that_is_none_is_said(account: Account, tmp_path: Path) -> None:
    wrong = tmp_path / "ca.pem"
    wrong.write_text("nothing", encoding="ascii")
    endpoint = account.endpoint(Tls.IMPLICIT)
    error = trouble_with(
        Endpoint(host="localhost", port=endpoint.port, tls=Tls.IMPLICIT, ca_file=str(wrong)), None
    )
    assert error.trouble is Trouble.TLS_FAILED


def test_TLS_on_the_clear_port_is_TLS_FAILED(account: Account) -> None:
    endpoint = Endpoint(host="localhost", port=account.dovecot.imap, tls=Tls.IMPLICIT)
    assert trouble_with(endpoint, None).trouble is Trouble.TLS_FAILED


def test_a_port_where_nobody_listens_is_NOT_REACHED(account: Account) -> None:
    endpoint = Endpoint(host="localhost", port=1, tls=Tls.NONE)
    error = trouble_with(endpoint, None)
    assert (error.trouble, error.said) == (Trouble.NOT_REACHED, "connection refused")


def test_a_POP_port_is_NOT_THIS_PROTOCOL(account: Account) -> None:
    endpoint = Endpoint(host="localhost", port=account.dovecot.pop, tls=Tls.NONE)
    assert trouble_with(endpoint, None).trouble is Trouble.NOT_THIS_PROTOCOL


def test_a_wrong_password_is_REFUSED_LOGIN(account: Account) -> None:
    error = trouble_with(account.endpoint(), Password(account.name, "wrong"))
    assert error.trouble is Trouble.REFUSED_LOGIN


@pytest.mark.parametrize("secret", ODD_SECRETS)
@pytest.mark.parametrize("way", ["PLAIN", "LOGIN"])
def test_signs_in_with_odd_characters(account: Account, secret: str, way: str) -> None:

    async def act() -> None:
        client = await ImapClient.connect(
            account.endpoint(), "127.0.0.1", patience=HURRIED, bounds=Bounds()
        )
        if way == "LOGIN":
            client._session.wire.capabilities.discard("AUTH=PLAIN")
        with closing(client):
            await client.sign_in(Password(odd_name(secret), secret))
            assert (await client.select("INBOX")).exists == 0

    asyncio.run(act())


@pytest.mark.parametrize("name", ODD)
def test_a_folder_is_listed_and_opened_by_its_name_as_people_write_it(
    account: Account, name: str
) -> None:
    account.dovecot.doveadm("mailbox", "create", "-u", account.name, name)

    async def act(client: ImapClient) -> None:
        assert name in {folder.name for folder in await client.folders()}
        assert (await client.select(name)).exists == 0
        assert (await client.status(name)).messages == 0

    with_client(account.endpoint(), account.proof, act)


def test_the_use_of_a_folder_is_told(account: Account) -> None:
    async def act(client: ImapClient) -> None:
        uses = {folder.name: folder.flags for folder in await client.folders()}
        assert "\\trash" in uses["Trash"]

    with_client(account.endpoint(), account.proof, act)


def test_a_folder_that_is_not_there_is_NO_SUCH_FOLDER_and_the_connection_stays(
    account: Account,
) -> None:
    async def act(client: ImapClient) -> None:
        for look in (client.select, client.status):
            with pytest.raises(RemoteError) as caught:
                await look("nowhere")
            assert caught.value.trouble is Trouble.NO_SUCH_FOLDER
        assert (await client.select("INBOX")).exists == 0

    with_client(account.endpoint(), account.proof, act)


def test_heads_tell_size_date_and_four_lines(account: Account) -> None:
    account.fill(mail(1, subject=b"50 * off (unbalanced"))

    async def act(client: ImapClient) -> None:
        await client.select("INBOX")
        (head,) = await heads_in(client)
        assert head.size == len(mail(1, subject=b"50 * off (unbalanced"))
        assert head.internal_date is not None
        assert b"Subject: 50 * off (unbalanced\r\n" in head.header
        assert b"To:" not in head.header

    with_client(account.endpoint(), account.proof, act)


def test_a_header_of_a_megabyte_is_cut(account: Account) -> None:
    account.fill(mail(1, subject=b"x\r\n " * 250_000))

    async def act(client: ImapClient) -> None:
        await client.select("INBOX")
        (head,) = await heads_in(client)
        assert len(head.header) == 32 * 1024
        whole = await client.header(head.uid)
        assert whole is not None
        assert len(whole) == 256 * 1024

    with_client(account.endpoint(), account.proof, act)


@pytest.mark.slow
def test_a_mail_of_20_MB_comes_in_pieces_as_it_is(account: Account) -> None:
    large = mail(1, b"".join(b"%08d 0123456789abcdef\r\n" % n for n in range(740_000)))
    account.fill(large, mail(2))

    async def act(client: ImapClient) -> None:
        await client.select("INBOX")
        contents = await contents_in(client, account)
        assert sorted(contents.values(), key=len) == [mail(2), large]

    with_client(account.endpoint(Tls.IMPLICIT), account.proof, act)


@pytest.mark.slow
def test_a_thousand_small_mails_come_once_each(account: Account) -> None:
    mails = {mail(number) for number in range(1000)}
    account.fill(*mails)

    async def act(client: ImapClient) -> None:
        await client.select("INBOX")
        contents = await contents_in(client, account)
        assert len(contents) == 1000
        assert set(contents.values()) == mails

    with_client(account.endpoint(), account.proof, act)


@pytest.mark.parametrize("piece", [50, 10_000])
def test_D3_fetching_marks_nothing_as_seen(account: Account, piece: int) -> None:
    account.fill(mail(1), mail(2))

    async def act(client: ImapClient) -> None:
        await client.select("INBOX")
        await contents_in(client, account)
        await client.header(1)
        await client.logout()

    with_client(account.endpoint(), account.proof, act, bounds=Bounds(piece=piece))
    assert not any("Seen" in flags for flags in account.flags().values())


def test_mark_seen_marks_the_mails_named_and_keeps_their_flags(account: Account) -> None:
    account.fill(mail(1), mail(2))
    account.dovecot.doveadm("flags", "add", "-u", account.name, "\\Flagged", "uid", "1")

    async def act(client: ImapClient) -> None:
        await client.select("INBOX")
        await client.mark_seen([1])

    with_client(account.endpoint(), account.proof, act)
    flags = account.flags()
    assert set(flags[1].split()) >= {"\\Seen", "\\Flagged"}
    assert "\\Seen" not in flags[2]


def test_delete_leaves_what_another_client_marked_as_deleted(account: Account) -> None:
    account.fill(mail(1), mail(2), mail(3))
    account.dovecot.doveadm("flags", "add", "-u", account.name, "\\Deleted", "uid", "2")

    async def act(client: ImapClient) -> None:
        await client.select("INBOX")
        deleted = await client.delete([1])
        assert (deleted.gone, deleted.marked) == (frozenset({1}), frozenset())
        assert (await client.delete([1])).gone == {1}
        await client.logout()

    with_client(account.endpoint(), account.proof, act)
    assert set(account.flags()) == {2, 3}


def test_move_tells_the_new_numbers(account: Account) -> None:
    account.fill(mail(1), mail(2))
    account.dovecot.doveadm("mailbox", "create", "-u", account.name, "Erledigt & fertig")

    async def act(client: ImapClient) -> None:
        await client.select("INBOX")
        moved = await client.move([1, 2], "Erledigt & fertig")
        assert moved == {1: 1, 2: 2}
        assert await client.uids() == []

    with_client(account.endpoint(), account.proof, act)
    assert account.dovecot.count(account.name, "Erledigt & fertig") == 2


def test_a_move_to_nowhere_creates_nothing_and_loses_nothing(account: Account) -> None:
    account.fill(mail(1))

    async def act(client: ImapClient) -> None:
        await client.select("INBOX")
        with pytest.raises(RemoteError) as caught:
            await client.move([1], "nowhere")
        assert caught.value.trouble is Trouble.NO_SUCH_FOLDER
        assert await client.uids() == [1]
        assert "nowhere" not in {folder.name for folder in await client.folders()}

    with_client(account.endpoint(), account.proof, act)


def test_find_finds_this_Message_ID_alone_and_the_open_folder_stays(account: Account) -> None:
    account.fill(mail(1), mail(11), mail(111), mailbox="Trash")
    account.fill(mail(5))

    async def act(client: ImapClient) -> None:
        await client.select("INBOX")
        (found,) = await client.find("Trash", "<1@acme.example>")
        assert await client.find("Trash", "<1@acme") == []
        assert await client.find("Trash", "<9@acme.example>") == []
        assert len(await client.uids()) == 1
        await client.select("Trash")
        (head,) = [head async for head in client.heads([found])]
        assert b"<1@acme.example>" in head.header

    with_client(account.endpoint(), account.proof, act)


def test_uids_above_the_last_are_none(account: Account) -> None:
    account.fill(mail(1), mail(2))

    async def act(client: ImapClient) -> None:
        await client.select("INBOX")
        assert await client.uids(above=0) == [1, 2]
        assert await client.uids(above=1) == [2]
        assert await client.uids(above=2) == []
        assert await client.uids(above=2_000_000_000) == []

    with_client(account.endpoint(), account.proof, act)


def test_a_mail_that_goes_while_we_read_did_not_come(account: Account) -> None:
    account.fill(mail(1), mail(2))

    async def act(client: ImapClient) -> None:
        await client.select("INBOX")
        sizes = [(head.uid, head.size) for head in await heads_in(client)]
        account.dovecot.doveadm("expunge", "-u", account.name, "mailbox", "INBOX", "uid", "1")
        assert {uid: raw is not None async for uid, raw in client.bodies(sizes, account.spool)} == {
            1: False,
            2: True,
        }

    # Dovecot may tell of it only when it can; then it answers NO or gives nothing.
    with_client(account.endpoint(), account.proof, act)


def append(dovecot: Dovecot, name: str, content: bytes) -> None:
    with imaplib.IMAP4("127.0.0.1", dovecot.imap) as other:
        other.login(name, "secret")
        other.append("INBOX", "", "", content)


def test_idle_is_woken_by_a_new_mail(account: Account) -> None:
    async def act(client: ImapClient) -> None:
        await client.select("INBOX")
        await client.uids()
        idling = asyncio.create_task(client.idle(60))
        await asyncio.to_thread(append, account.dovecot, account.name, mail(1))
        assert await asyncio.wait_for(idling, 30)
        assert await client.uids() == [1]

    with_client(account.endpoint(), account.proof, act)


def test_a_mail_that_came_before_idle_is_not_slept_over(account: Account) -> None:
    async def act(client: ImapClient) -> None:
        await client.select("INBOX")
        await client.uids()
        await asyncio.to_thread(append, account.dovecot, account.name, mail(1))
        await client.status("Trash")  # Dovecot tells of the mail here, and not again in IDLE.
        assert await asyncio.wait_for(client.idle(60), 30)

    with_client(account.endpoint(), account.proof, act)


def test_an_idle_in_which_nothing_happens_leaves_a_clean_connection(account: Account) -> None:
    async def act(client: ImapClient) -> None:
        await client.select("INBOX")
        for _ in range(3):
            assert await client.idle(0.05) is False
        assert await client.uids() == []

    with_client(account.endpoint(), account.proof, act)


def test_without_IDLE_it_asks_by_itself(account: Account) -> None:
    async def act(client: ImapClient) -> None:
        await client.select("INBOX")
        await client.uids()
        client._session.wire.capabilities.discard("IDLE")
        assert client.can_idle is False
        await asyncio.to_thread(append, account.dovecot, account.name, mail(1))
        assert await client.idle(0.2) is True

    with_client(account.endpoint(), account.proof, act)


def test_a_cancelled_wait_ends_the_connection(account: Account) -> None:
    async def act(client: ImapClient) -> None:
        await client.select("INBOX")
        idling = asyncio.create_task(client.idle(60))
        await asyncio.sleep(0.1)
        idling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await idling
        assert client.is_usable is False
        with pytest.raises(RemoteError):
            await client.uids()
        client.close()
        client.close()

    with_client(account.endpoint(), account.proof, act)
