"""A request that is sent twice is done once, and nobody asks too often."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from maild.core.once import begin_once
from maild.faces.api.rates import BUCKETS_MAX, Allowance, Rates
from maild.faces.api.work import Limits
from maild.model.reason import Reason, RefusedError
from maild.store.metadata import metadata
from maild.testing.world import World
from tests.api.served import Heard, Served, on_both, serving
from tests.core.conftest import Frozen

EVA = "eva@acme.example"
TOKENS = f"/users/{EVA}/tokens"


def make(served: Served, token: str, key: str = "a-key", name: str = "phone") -> Heard:
    return served.ask("POST", TOKENS, {"name": name}, token=token, header={"Idempotency-Key": key})


def names(served: Served, token: str) -> list[str]:
    return [one["name"] for one in served.ask("GET", TOKENS, token=token).body["tokens"]]


@on_both
class TestOnce:
    def test_G_the_second_time_the_first_answer_comes_back(
        self, acme: World, served: Served
    ) -> None:
        """A new token's secret is in that answer, and lies nowhere in clear."""
        eva = served.token(EVA)
        first, second = make(served, eva), make(served, eva)
        assert (first.status, second.status) == (201, 201)
        assert first.raw == second.raw
        assert second.header["idempotency-replayed"] == "true"
        assert "idempotency-replayed" not in first.header
        assert names(served, eva).count("phone") == 1
        with acme.app.store.read() as tx:
            for table in metadata.sorted_tables:
                stored = repr([tuple(row) for row in tx.connection.execute(select(table))])
                assert first.body["secret"] not in stored, table.name

    def test_G_another_request_under_the_key_is_refused(self, served: Served) -> None:
        eva = served.token(EVA)
        make(served, eva)
        other = make(served, eva, name="tablet")
        assert (other.status, other.code) == (422, "KEY_USED_OTHERWISE")
        assert names(served, eva).count("tablet") == 0

    def test_G_a_key_is_its_tokens_own(self, served: Served) -> None:
        eva, again = served.token(EVA), served.token(EVA)
        assert make(served, eva).body["id"] != make(served, again).body["id"]

    def test_G_of_two_at_once_one_is_done(self, served: Served) -> None:
        eva = served.token(EVA)
        with ThreadPoolExecutor(6) as pool:
            answers = [one.result() for one in [pool.submit(make, served, eva) for _ in range(6)]]
        assert {one.status for one in answers} <= {201, 409}
        assert len({one.raw for one in answers if one.status == 201}) == 1
        assert {one.code for one in answers if one.status == 409} <= {"STILL_IN_HAND"}
        assert names(served, eva).count("phone") == 1


def test_G_what_was_refused_is_refused_again_and_keys_have_an_end(
    acme: World, served: Served, clock: Frozen
) -> None:
    eva = served.token(EVA)
    first = make(served, eva, name="")
    assert first.status == 422
    assert make(served, eva, name="").header["idempotency-replayed"] == "true"
    clock.advance(timedelta(days=1, seconds=1))
    assert "idempotency-replayed" not in make(served, eva, name="").header


def test_G_a_request_in_hand_is_not_begun_again_and_never_where_its_end_is_unknown(
    acme: World, served: Served, clock: Frozen
) -> None:
    """Whoever died within it may have done it: it is for a person to look."""
    eva = served.token(EVA)
    made = make(served, eva)
    assert made.status == 201
    with acme.app.store.write() as tx:
        table = metadata.tables["kept_answers"]
        tx.connection.execute(table.update().values(status=None, answer=None))
    assert make(served, eva).code == "STILL_IN_HAND"
    clock.advance(timedelta(minutes=3))
    assert make(served, eva).code == "OUTCOME_UNKNOWN"
    assert names(served, eva).count("phone") == 1


def test_G_a_restart_forgets_no_key(acme: World, tmp_path: Path) -> None:
    answers: list[Heard] = []
    eva = ""
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        with serving(acme.app, folder) as served:
            eva = eva or served.token(EVA)
            answers.append(make(served, eva))
    assert answers[0].raw == answers[1].raw


def test_G_what_was_not_begun_is_begun_the_next_time(
    acme: World, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    from maild.core import tokens

    eva = served.token(EVA)

    def busy(*args: Any, **named: Any) -> None:
        raise RefusedError(Reason.BUSY)

    with monkeypatch.context() as patched:
        patched.setattr(tokens, "make_token", busy)
        assert make(served, eva).status == 503
    assert make(served, eva).status == 201


def test_a_key_is_ascii_and_not_long(served: Served) -> None:
    eva = served.token(EVA)
    for key in ("", "x" * 256, "\u00e9"):
        refused = make(served, eva, key)
        assert (refused.status, refused.code) == (422, "INVALID_REQUEST"), key


def test_of_begin_once_the_first_is_to_be_done(acme: World) -> None:
    assert begin_once(acme.app, "x" * 40, "key", "request") is None


class TestRates:
    def test_who_asks_too_often_hears_when_to_come_back(self, acme: World, tmp_path: Path) -> None:
        with serving(acme.app, tmp_path, Limits(per_second=0.001, burst=3)) as served:
            eva, other = served.token(EVA), served.token(EVA)
            answers = [served.ask("GET", "/me", token=eva) for _ in range(4)]
            assert [one.status for one in answers] == [200, 200, 200, 429]
            assert answers[0].header["ratelimit-policy"] == '"token";q=3;w=3000'
            assert [one.header["ratelimit"].split(";")[1] for one in answers] == [
                "r=2",
                "r=1",
                "r=0",
                "r=0",
            ]
            assert answers[3].code == "TOO_MANY_REQUESTS"
            assert 900 < int(answers[3].header["retry-after"]) <= 1000
            assert served.ask("GET", "/me", token=other).status == 200

    def test_what_is_left_comes_back_with_time(self) -> None:
        now = [0.0]
        rates = Rates("token", 2.0, 4, clock=lambda: now[0])
        assert [rates.take("a").is_over for _ in range(5)] == [False] * 4 + [True]
        now[0] = 1.0
        assert [rates.take("a").is_over for _ in range(3)] == [False, False, True]
        now[0] = 100.0
        assert rates.take("a").left == 3

    def test_secrets_by_the_million_take_no_more_memory(self) -> None:
        rates = Rates("token", 1.0, 2, clock=lambda: 0.0)
        for number in range(BUCKETS_MAX + 500):
            rates.take(str(number))
        assert len(rates._buckets) == BUCKETS_MAX


class TestWhatIsKept:
    def test_G_who_was_told_to_come_back_later_is_done_then(
        self, served: Served, clock: Frozen
    ) -> None:
        eva = served.token(EVA)
        for number in range(20):
            served.ask("POST", "/members/requests", {"account": f"nobody{number}"}, token=eva)
        late = {"account": "late"}
        key = {"Idempotency-Key": "a-key"}
        assert served.ask("POST", "/members/requests", late, token=eva, header=key).status == 429
        # As long as one waits for it, and less than a key lives.
        clock.advance(timedelta(hours=23, minutes=59))
        clock.advance(timedelta(seconds=61))
        with_key = served.ask("POST", "/members/requests", late, token=eva, header=key)
        assert with_key.status == 202

    def test_G_what_somebody_saw_is_a_part_of_the_request(self, served: Served) -> None:
        eva = served.token(EVA)
        for seen, code in (('"1-a"', "NOT_FOUND"), ('"2-b"', "KEY_USED_OTHERWISE")):
            header = {"Idempotency-Key": "a-key", "If-Match": seen}
            refused = served.ask("POST", f"/mails/{ULID}/take", token=eva, header=header)
            assert refused.code == code

    def test_G_a_question_is_asked_again_and_its_answer_is_not_kept(
        self, acme: World, served: Served
    ) -> None:
        eva = served.token(EVA)
        for _ in range(2):
            header = {"Idempotency-Key": "a-key"}
            asked = served.ask("POST", "/mails/search", {"terms": []}, token=eva, header=header)
            assert (asked.status, asked.header.get("idempotency-replayed")) == (200, None)
        with acme.app.store.read() as tx:
            assert tx.connection.execute(select(metadata.tables["kept_answers"])).all() == []

    def test_G_of_one_person_so_much_is_kept_and_no_more(
        self, served: Served, monkeypatch: pytest.MonkeyPatch, clock: Frozen
    ) -> None:
        """Whoever uses many keys fills no disk: what is beyond is done, and not known to who asks again."""
        monkeypatch.setattr(Rates, "take", _nothing_left_for_octets(Rates.take))
        eva = served.token(EVA)
        assert make(served, eva).status == 201
        clock.advance(timedelta(minutes=3))
        assert make(served, eva).code == "OUTCOME_UNKNOWN"
        assert names(served, eva).count("phone") == 1

    def test_G_what_was_done_is_not_called_busy(
        self, served: Served, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The answer is kept however many others wait, and given where it cannot be kept."""
        from maild.faces.api import once

        def fails(*args: Any) -> None:
            raise RefusedError(Reason.BUSY)

        eva = served.token(EVA)
        with monkeypatch.context() as patched:
            patched.setattr(once, "keep_answer", fails)
            assert make(served, eva).status == 201
        threads = served.api._threads
        acts: list[str] = []

        async def full_behind_the_act(act: Callable[[], Any], whose: str = "") -> Any:
            acts.append(whose)
            if len(acts) > 3:  # The token, the key, the act: then others have come.
                raise RefusedError(Reason.BUSY)
            return await threads.finish(act, whose)

        with monkeypatch.context() as patched:
            patched.setattr(threads, "do", full_behind_the_act)
            assert make(served, eva, key="another").status == 201
        assert make(served, eva, key="another").header["idempotency-replayed"] == "true"


def _nothing_left_for_octets(take: Callable[..., Allowance]) -> Callable[..., Allowance]:
    def taken(rates: Rates, whose: str, cost: int = 1) -> Allowance:
        return take(rates, whose, 1 << 40 if rates._name == "octets" else cost)

    return taken


ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


class TestOnePerson:
    """A person has 200 tokens, and no more of the API for that."""

    def test_U10_many_tokens_are_no_way_to_ask_without_end(
        self, acme: World, tmp_path: Path
    ) -> None:
        limits = Limits(per_second=0.001, burst=3, tokens_worth=2)
        with serving(acme.app, tmp_path, limits) as served:
            tokens = [served.token(EVA) for _ in range(3)]
            answers = [served.ask("GET", "/me", token=one) for one in tokens for _ in range(3)]
            assert [one.status for one in answers] == [200] * 6 + [429] * 3
            assert answers[8].header["ratelimit-policy"] == '"person";q=6;w=3000'
            other = served.token("lea@acme.example")
            assert served.ask("GET", "/me", token=other).status == 200
