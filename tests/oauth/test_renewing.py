"""Tokens are held, renewed and asked for once; a rotated refresh token is kept before it is used (D7)."""

from __future__ import annotations

import asyncio
import threading

import pytest

from maild.core.remote import RemoteError, Trouble
from maild.oauth.provider import Grant, Renewing
from maild.testing.issuer import Fault
from tests.oauth.conftest import Hand, Ways


class Service:
    """Answers when a test lets it."""

    def __init__(self, life: float = 3600) -> None:
        self.life = life
        self.asked = 0
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None

    def __call__(self) -> Grant:
        self.asked += 1
        assert self.gate.wait(20)
        if self.error is not None:
            raise self.error
        return Grant(f"token-{self.asked}", self.life)


@pytest.mark.parametrize(
    ("life", "held", "renewed"), [(3600, 2879, 2881), (1000, 699, 701), (200, 99, 101)]
)
def test_D7_a_token_is_renewed_at_80_percent_or_5_minutes_left_or_half_if_it_is_short(
    life: float, held: float, renewed: float
) -> None:
    async def ask() -> None:
        clock, service = Hand(), Service(life)
        provider = Renewing(service, clock=clock)
        await provider.get()
        clock.now = 1000 + held
        assert await provider.get() == "token-1"
        clock.now = 1000 + renewed
        assert await provider.get() == "token-2"

    asyncio.run(ask())


def test_D7_who_needs_a_longer_life_gets_a_new_token() -> None:
    async def ask() -> None:
        clock, service = Hand(), Service(3600)
        provider = Renewing(service, clock=clock)
        await provider.get()
        clock.now += 1000
        assert await provider.get(2500) == "token-1"
        assert await provider.get(2700) == "token-2"

    asyncio.run(ask())


def test_D7_a_token_that_a_server_refused_is_not_given_again() -> None:
    async def ask() -> None:
        provider = Renewing(Service())
        token = await provider.get()
        provider.discard("another")
        assert await provider.get() == token
        provider.discard(token)
        assert await provider.get() == "token-2"

    asyncio.run(ask())


def test_D7_a_service_that_is_down_does_not_matter_while_a_token_lives() -> None:
    async def ask() -> None:
        clock, service = Hand(), Service(3600)
        provider = Renewing(service, clock=clock)
        token = await provider.get()
        service.error = RemoteError(Trouble.LOGIN_LATER)
        clock.now += 3000
        assert await provider.get(60) == token
        clock.now += 600
        with pytest.raises(RemoteError):
            await provider.get()

    asyncio.run(ask())


def test_D7_a_grant_that_is_gone_is_told_though_a_token_lives() -> None:
    async def ask() -> None:
        clock, service = Hand(), Service(3600)
        provider = Renewing(service, clock=clock)
        await provider.get()
        service.error = RemoteError(Trouble.SIGN_IN_AGAIN)
        clock.now += 3000
        with pytest.raises(RemoteError):
            await provider.get()

    asyncio.run(ask())


def test_D7_a_caller_who_leaves_does_not_take_the_answer_from_others() -> None:
    async def ask() -> None:
        service = Service()
        service.gate.clear()
        provider = Renewing(service)
        leaving, staying = (asyncio.create_task(provider.get()) for _ in range(2))
        await asyncio.sleep(0.05)
        leaving.cancel()
        await asyncio.sleep(0)
        service.gate.set()
        assert await staying == "token-1"

    asyncio.run(ask())


def test_D7_a_caller_waits_no_longer_than_it_may_and_the_next_joins_the_request() -> None:
    async def ask() -> None:
        service = Service()
        service.gate.clear()
        provider = Renewing(service, wait_s=0.05)
        for _ in range(2):
            with pytest.raises(RemoteError) as caught:
                await provider.get()
            assert caught.value.trouble is Trouble.LOGIN_LATER
        service.gate.set()
        while (token := await _tried(provider)) is None:
            pass
        assert (token, service.asked) == ("token-1", 1)

    asyncio.run(ask())


async def _tried(provider: Renewing) -> str | None:
    try:
        return await provider.get()
    except RemoteError:
        return None


def test_D7_a_rotated_refresh_token_is_kept_before_its_access_token_is_out(ways: Ways) -> None:
    ways.issuer.rotates = True
    for make in (Ways.person, Ways.google, Ways.refresh):
        ways.kept.clear()
        asyncio.run(make(ways).get())
        (kept,) = ways.kept
        assert any(token in kept for token in ways.issuer.refresh_tokens)


def test_D7_each_renewal_asks_with_the_refresh_token_that_was_kept_last(ways: Ways) -> None:
    ways.issuer.rotates = True

    async def ask() -> None:
        provider = ways.refresh()
        for _ in range(3):
            await provider.get()
            ways.clock.now += 3600

    asyncio.run(ask())
    used = [one.form["refresh_token"] for one in ways.issuer.asked]
    assert used[1:] == ways.kept[:2]


def test_D7_what_is_kept_of_a_pair_is_the_whole_pair(ways: Ways) -> None:
    ways.issuer.rotates = True
    asyncio.run(ways.google().get())
    again = ways.make("google", ways.place, ways.kept[0])
    assert asyncio.run(again.get())


def test_D7_a_refresh_token_that_could_not_be_kept_is_not_used_until_it_is(ways: Ways) -> None:
    ways.issuer.rotates = True
    is_full = True

    def keep(secret: str) -> None:
        if is_full:
            raise OSError(28, "No space left on device")
        ways.kept.append(secret)

    async def ask() -> None:
        nonlocal is_full
        provider = ways.refresh(keep=keep)
        for _ in range(2):
            with pytest.raises(OSError, match="No space"):
                await provider.get()
        assert ways.issuer.count() == 1
        is_full = False
        assert await provider.get()

    asyncio.run(ask())
    assert ways.issuer.asked[1].form["refresh_token"] == ways.kept[0]


def test_D7_a_refresh_token_that_stays_is_not_kept_again(ways: Ways) -> None:
    asyncio.run(ways.refresh().get())
    assert ways.kept == []


def test_D7_a_caller_who_gave_up_does_not_lose_a_rotated_refresh_token(ways: Ways) -> None:
    ways.issuer.rotates = True
    is_asked, may_keep, is_kept = threading.Event(), threading.Event(), threading.Event()

    def keep(_: str) -> None:
        is_asked.set()
        assert may_keep.wait(20)
        is_kept.set()

    async def leave() -> None:
        asked = asyncio.create_task(ways.refresh(keep=keep).get())
        await asyncio.to_thread(is_asked.wait, 20)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        may_keep.set()

    asyncio.run(leave())
    assert is_kept.wait(20)


def test_D7_an_expired_token_is_asked_for_anew_each_time(ways: Ways) -> None:
    ways.issuer.life = 0

    async def ask() -> None:
        provider = ways.refresh()
        assert await provider.get() != await provider.get()

    asyncio.run(ask())


def test_D7_a_life_that_is_no_number_is_a_short_one(ways: Ways) -> None:
    for life in ('"x"', "null", "[]", "1e999", "-5"):
        body = f'{{"access_token": "a", "expires_in": {life}}}'
        ways.issuer.faults.append(Fault(status=200, body=body))
        assert asyncio.run(ways.refresh().get()) == "a"
