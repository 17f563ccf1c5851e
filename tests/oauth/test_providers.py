"""Each way to sign in gets a token from a token service, or says what is wrong (D7)."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import urllib.request
from collections.abc import Callable

import pytest

from maild.core.remote import RemoteError, Trouble
from maild.oauth.choose import authorize, provider_for
from maild.oauth.line import Line
from maild.oauth.microsoft import Prompt
from maild.oauth.provider import ExtraMissingError, SetupError, TokenProvider
from maild.testing.assertions import new_key
from maild.testing.issuer import UNKNOWN_TENANT, Fault, Issuer
from tests.oauth.conftest import WAYS, Ways

each_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
Way = Callable[[Ways], TokenProvider]


def trouble(provider: TokenProvider) -> RemoteError:
    """Return the error that asking for a token comes to."""
    with pytest.raises(RemoteError) as caught:
        asyncio.run(provider.get())
    return caught.value


def owner(ways: Ways, token: str) -> str:
    """Return whose mailbox a token opens, as a mail server asks it."""
    status, about = ways.issuer.answer("/tokeninfo", {"token": token})
    assert status == 200
    return str(about["email"])


@each_way
def test_D7_a_token_that_a_mail_server_takes_comes_of_each_way(way: Way, ways: Ways) -> None:
    token = asyncio.run(way(ways).get())
    assert owner(ways, token) in {"ann@example.org", "bob@example.org"}


@each_way
def test_D7_callers_at_the_same_time_share_one_request(way: Way, ways: Ways) -> None:
    async def crowd() -> list[str]:
        provider = way(ways)
        return await asyncio.gather(*(provider.get() for _ in range(20)))

    assert len(set(asyncio.run(crowd()))) == 1
    assert ways.issuer.count() == 1


@each_way
def test_D7_a_token_is_renewed_before_its_end_and_not_earlier(way: Way, ways: Ways) -> None:
    async def ask() -> None:
        provider = way(ways)
        first = await provider.get()
        ways.clock.now += 2870
        assert await provider.get() == first
        ways.clock.now += 20
        assert await provider.get() != first
        assert ways.issuer.count() == 2

    asyncio.run(ask())


@each_way
def test_D7_a_grant_that_is_gone_asks_for_a_person(way: Way, ways: Ways) -> None:
    ways.issuer.faults.append(Fault(error="invalid_grant"))
    assert trouble(way(ways)).trouble is Trouble.SIGN_IN_AGAIN


@each_way
def test_D7_a_fault_of_the_service_is_tried_again_later(way: Way, ways: Ways) -> None:
    ways.issuer.faults.append(Fault(status=500, body="<html>"))
    assert trouble(way(ways)).trouble is Trouble.LOGIN_LATER
    assert ways.issuer.count() == 1


@each_way
def test_D7_a_service_that_is_gone_is_tried_again_later(way: Way, ways: Ways) -> None:
    provider = way(ways)
    ways.issuer.stop()
    assert trouble(provider).trouble is Trouble.LOGIN_LATER


@each_way
def test_D7_a_service_that_hangs_up_is_tried_again_later(way: Way, ways: Ways) -> None:
    ways.issuer.faults.append(Fault(is_hung_up=True))
    assert trouble(way(ways)).trouble is Trouble.LOGIN_LATER


@each_way
def test_D7_a_service_that_does_not_answer_is_left(way: Way, ways: Ways) -> None:
    ways.timeout = 0.5
    ways.issuer.faults.append(Fault(wait=3))
    started = time.monotonic()
    assert trouble(way(ways)).trouble is Trouble.LOGIN_LATER
    assert time.monotonic() - started < 2.9


@each_way
def test_D7_after_a_fault_the_next_try_succeeds(way: Way, ways: Ways) -> None:
    async def ask() -> None:
        provider = way(ways)
        ways.issuer.faults.append(Fault(error="invalid_grant"))
        with pytest.raises(RemoteError):
            await provider.get()
        assert owner(ways, await provider.get())

    asyncio.run(ask())


@pytest.mark.parametrize(
    "body",
    [" ", "[]", "null", "{", '{"access_token": 5}', '{"expires_in": 9}', '{"access_token": ""}'],
)
@each_way
def test_D7_an_answer_that_is_none_is_no_token(way: Way, ways: Ways, body: str) -> None:
    ways.issuer.faults.append(Fault(status=200, body=body))
    assert trouble(way(ways)).trouble is Trouble.BROKEN_PROTOCOL


@each_way
def test_D7_a_token_with_an_end_of_line_is_refused(way: Way, ways: Ways) -> None:
    ways.issuer.faults.append(
        Fault(
            status=200, body=json.dumps({"access_token": "a\r\nA1 DELETE INBOX", "expires_in": 9})
        )
    )
    assert trouble(way(ways)).trouble is Trouble.BROKEN_PROTOCOL


def test_D7_a_wrong_client_secret_is_a_refused_login(ways: Ways) -> None:
    for provider in (ways.secret("wrong"), ways.google(secret="wrong")):
        assert trouble(provider).trouble is Trouble.REFUSED_LOGIN


def test_D7_a_key_that_the_service_does_not_know_is_a_refused_login(ways: Ways) -> None:
    for provider in (ways.certificate(new_key()), ways.service(new_key())):
        assert trouble(provider).trouble is Trouble.REFUSED_LOGIN


@pytest.mark.parametrize(
    ("error", "meant"),
    [
        ("interaction_required", Trouble.SIGN_IN_AGAIN),
        ("consent_required", Trouble.SIGN_IN_AGAIN),
        ("invalid_client", Trouble.REFUSED_LOGIN),
        ("unauthorized_client", Trouble.REFUSED_LOGIN),
        ("temporarily_unavailable", Trouble.LOGIN_LATER),
    ],
)
def test_D7_the_service_s_code_says_what_is_wrong(ways: Ways, error: str, meant: Trouble) -> None:
    ways.issuer.faults.append(Fault(error=error))
    found = trouble(ways.refresh())
    assert (found.trouble, found.said) == (meant, error)


def test_D7_microsoft_s_number_is_told_and_its_text_is_not(ways: Ways) -> None:
    body = {"error": "invalid_grant", "error_codes": [65001], "error_description": "canary"}
    ways.issuer.faults.append(Fault(body=json.dumps(body)))
    assert trouble(ways.secret()).said == "invalid_grant AADSTS65001"


def test_D7_too_many_requests_are_tried_again_later(ways: Ways) -> None:
    ways.issuer.faults.append(Fault(status=429, error="x"))
    assert trouble(ways.refresh()).trouble is Trouble.LOGIN_LATER


def test_D7_a_revoked_refresh_token_asks_for_a_person(ways: Ways) -> None:
    providers = [ways.person(), ways.google(), ways.refresh()]
    ways.issuer.revoke_all()
    for provider in providers:
        assert trouble(provider).trouble is Trouble.SIGN_IN_AGAIN


def test_D7_a_service_account_stands_for_the_mailbox(ways: Ways) -> None:
    assert owner(ways, asyncio.run(ways.service().get())) == "bob@example.org"


@pytest.mark.slow
def test_D7_a_person_signs_in_once_by_device_code(ways: Ways) -> None:
    shown: list[Prompt] = []
    ways.issuer.pending = 1
    secret = asyncio.run(authorize(ways.tenant, shown.append, line=ways.line))
    assert shown == [Prompt(f"{ways.issuer.url}/device", "ABCD-EFGH")]
    assert owner(ways, asyncio.run(ways.person(secret).get())) == "ann@example.org"


@pytest.mark.parametrize("life", [{}, "soon", None, 10**400], ids=["{}", "soon", "null", "huge"])
def test_D7_a_device_code_that_is_none_is_no_device_code(
    ways: Ways, monkeypatch: pytest.MonkeyPatch, life: object
) -> None:
    right = ways.issuer._device_code
    monkeypatch.setattr(ways.issuer, "_device_code", lambda: {**right(), "expires_in": life})
    with pytest.raises(RemoteError) as caught:
        asyncio.run(authorize(ways.tenant, lambda _: None, line=ways.line))
    assert caught.value.trouble is Trouble.BROKEN_PROTOCOL


def test_D7_a_person_who_declines_is_told_of(ways: Ways) -> None:
    ways.issuer.declines = True
    with pytest.raises(RemoteError) as caught:
        asyncio.run(authorize(ways.tenant, lambda _: None, line=ways.line))
    assert caught.value.trouble is Trouble.SIGN_IN_AGAIN


@pytest.mark.slow
def test_D7_who_leaves_the_device_code_leaves_no_thread_that_asks_on(ways: Ways) -> None:
    ways.issuer.pending = 1_000_000
    ways.issuer.device_life = 90
    is_shown = threading.Event()

    async def leave() -> None:
        asked = asyncio.create_task(
            authorize(ways.tenant, lambda _: is_shown.set(), line=ways.line)
        )
        await asyncio.to_thread(is_shown.wait, 20)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked

    started = time.monotonic()
    asyncio.run(leave())  # It waits for its threads.
    assert time.monotonic() - started < 60


@pytest.mark.parametrize(
    ("kind", "options", "secret", "said"),
    [
        ("password", {}, "x", "sign_in"),
        ("microsoft", {"client_id": "a"}, "x", "tenant: is not set"),
        ("microsoft", {"tenant": "a"}, "x", "client_id: is not set"),
        ("microsoft", {"tenant": "a/../b", "client_id": "a"}, "x", "tenant: it is"),
        ("microsoft", {"tenant": "a", "client_id": "a", "flow": "magic"}, "x", "flow: it is"),
        ("microsoft", {"tenant": "a", "client_id": "a"}, " ", "there is no secret"),
        ("microsoft", {"tenant": "a", "client_id": "a"}, "-----BEGIN canary", "private key"),
        ("microsoft", {"tenantt": "a"}, "x", "tenantt: is no option of microsoft; these are:"),
        ("google", {"client_id": "a"}, "", "there is no refresh token"),
        ("google", {}, '{"type": "service_account"}', "subject: is not set"),
        ("refresh", {"client_id": "a"}, "x", "token_uri: is not set"),
        (
            "refresh",
            {"client_id": "a", "token_uri": "https://x/"},
            '{"canary": 1}',
            "the secret is",
        ),
    ],
)
def test_D7_what_is_not_set_up_rightly_is_named(
    kind: str, options: dict[str, str], secret: str, said: str
) -> None:
    with pytest.raises(SetupError, match=said) as caught:
        provider_for(kind, options, secret, keep=print)
    assert "canary" not in str(caught.value)


def test_D7_a_service_account_s_key_that_is_none_is_named(ways: Ways) -> None:
    broken = json.dumps({**json.loads(ways.account()), "private_key": "canary"})
    provider = ways.make("google", {"subject": "b@example.org"}, broken)
    with pytest.raises(SetupError, match="service account") as caught:
        asyncio.run(provider.get())
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("module", "way", "extra"),
    [("msal", Ways.secret, "m365"), ("google.oauth2", Ways.service, "google")],
)
def test_D7_a_library_that_is_not_there_is_named_with_its_extra(
    ways: Ways, module: str, way: Way, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(ExtraMissingError, match=rf"maild\[{extra}\]"):
        asyncio.run(way(ways).get())


def test_D7_a_tenant_that_the_authority_does_not_know_is_a_refused_login(ways: Ways) -> None:
    provider = ways.make("microsoft", {**ways.tenant, "tenant": UNKNOWN_TENANT}, "right-secret")
    assert trouble(provider).trouble is Trouble.REFUSED_LOGIN


def test_D7_the_issuer_itself_ends_tokens(ways: Ways) -> None:
    ways.issuer.life = 0
    token = asyncio.run(ways.refresh().get())
    status, _ = ways.issuer.answer("/tokeninfo", {"token": token})
    assert status == 400


def test_the_issuer_speaks_plain_http_too() -> None:
    with Issuer() as issuer:
        options = {"token_uri": f"{issuer.url}/token", "client_id": "app"}
        provider = provider_for(
            "refresh",
            options,
            issuer.new_refresh_token(),
            keep=print,
            line=Line(is_clear_allowed=True),
        )
        token = asyncio.run(provider.get())
        with urllib.request.urlopen(issuer.tokeninfo + token) as answer:
            assert json.load(answer)["email"] == "ann@example.org"
