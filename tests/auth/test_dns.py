"""What one mail may ask of DNS, and what no server can do to it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings, strategies as st

from maild.auth.dns import Answer, Dns, Missing, Temporary
from maild.testing.dns_server import Act, DnsServer


class Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def a_dns(server: DnsServer, *, deadline: float = 5.0, questions: int = 60) -> Dns:
    return Dns(["127.0.0.1"], port=server.port, deadline=deadline, questions=questions)


def test_an_answer_nothing_and_a_failure_are_three_things(server: DnsServer) -> None:
    server.txt("a.example", "two", "one")
    server.records("a.example", "A", "192.0.2.1")
    server.records("only-a.example", "A", "192.0.2.1")
    server.acts("fails.example", Act.SERVFAIL)
    asked = a_dns(server).for_one_mail()
    assert asked.txt("a.example") == Answer((b"one", b"two"))
    assert asked.look_up("a.example", "A") == Answer((b"192.0.2.1",))
    assert asked.txt("gone.example") == Missing()
    assert asked.txt("only-a.example") == Missing()
    assert isinstance(asked.txt("fails.example"), Temporary)


def test_a_name_is_asked_once_whatever_its_spelling(server: DnsServer) -> None:
    server.txt("a.example", "one")
    dns = a_dns(server)
    for _ in range(3):
        assert dns.for_one_mail().txt("A.Example.") == Answer((b"one",))
    assert server.asked == [("a.example", "TXT")]


@pytest.mark.parametrize("has_other", [False, True])
def test_what_is_not_there_is_remembered_for_a_short_time_only(
    server: DnsServer, *, has_other: bool
) -> None:
    if has_other:
        server.records("late.example", "A", "192.0.2.1")
    hands = Hands()
    dns = Dns(["127.0.0.1"], port=server.port, monotonic=hands)
    assert dns.for_one_mail().txt("late.example") == Missing()
    server.txt("late.example", "here")
    assert dns.for_one_mail().txt("late.example") == Missing()
    hands.at += 61
    assert dns.for_one_mail().txt("late.example") == Answer((b"here",))


@pytest.mark.parametrize(("ttl", "after"), [(10, 11), (100_000, 3601)])
def test_an_answer_is_remembered_for_its_time_and_an_hour_at_most(
    server: DnsServer, ttl: int, after: int
) -> None:
    hands = Hands()
    dns = Dns(["127.0.0.1"], port=server.port, monotonic=hands)
    server.txt("a.example", "one", ttl=ttl)
    dns.for_one_mail().txt("a.example")
    server.txt("a.example", "two", ttl=ttl)
    hands.at += after - 2
    assert dns.for_one_mail().txt("a.example") == Answer((b"one",))
    hands.at += 2
    assert dns.for_one_mail().txt("a.example") == Answer((b"two",))


def test_a_failure_is_not_remembered_beyond_the_mail(server: DnsServer) -> None:
    dns = a_dns(server)
    server.txt("a.example", "one")
    server.acts("a.example", Act.SERVFAIL)
    mail = dns.for_one_mail()
    assert isinstance(mail.txt("a.example"), Temporary)
    server.acts("a.example", None)
    assert isinstance(mail.txt("a.example"), Temporary)
    assert dns.for_one_mail().txt("a.example") == Answer((b"one",))


def test_the_deadline_is_the_mail_s_and_not_a_question_s(server: DnsServer) -> None:
    for number in range(20):
        server.acts(f"n{number}.example", Act.SILENCE)
    asked = a_dns(server, deadline=0.5).for_one_mail()
    began = time.monotonic()
    replies = [asked.txt(f"n{number}.example") for number in range(20)]
    assert all(isinstance(reply, Temporary) for reply in replies)
    assert asked.asked == 1
    assert time.monotonic() - began < 5  # Twenty deadlines would be ten seconds.


def test_a_mail_may_ask_so_many_questions_and_no_more(server: DnsServer) -> None:
    asked = a_dns(server, questions=3).for_one_mail()
    replies = [asked.txt(f"n{number}.example") for number in range(5)]
    assert [isinstance(reply, Missing) for reply in replies] == [True, True, True, False, False]
    assert len(server.asked) == 3


def test_an_answer_larger_than_a_packet_comes_by_tcp(server: DnsServer) -> None:
    server.txt("large.example", b"x" * 5000)
    assert a_dns(server).for_one_mail().txt("large.example") == Answer((b"x" * 5000,))


def test_hostile_answers_are_bounded(server: DnsServer) -> None:
    server.strings("many.example", [b"a"] * 20_000)
    server.txt("records.example", *(f"{number}" for number in range(1000)))
    server.txt("beside.example", b"y" * 9000, b"good")
    server.txt("bytes.example", bytes(range(256)))
    asked = a_dns(server).for_one_mail()
    assert asked.txt("many.example") == Missing()
    records = asked.txt("records.example")
    assert isinstance(records, Answer)
    assert len(records.values) == 64
    assert asked.txt("beside.example") == Answer((b"good",))
    assert asked.txt("bytes.example") == Answer((bytes(range(256)),))


def test_octets_that_are_no_answer_are_temporary(server: DnsServer) -> None:
    server.acts("a.example", Act.GARBAGE)
    assert isinstance(a_dns(server, deadline=0.5).for_one_mail().txt("a.example"), Temporary)


def test_a_loop_of_aliases_ends(server: DnsServer) -> None:
    server.records("a.example", "CNAME", "a.example.")
    assert not isinstance(a_dns(server, deadline=1).for_one_mail().txt("a.example"), Answer)


def test_a_server_that_is_not_there_is_temporary() -> None:
    with DnsServer() as server:
        port = server.port
    asked = Dns(["127.0.0.1"], port=port, deadline=0.5).for_one_mail()
    assert isinstance(asked.txt("a.example"), Temporary)


def test_the_cache_is_bounded_by_entries_and_octets(server: DnsServer) -> None:
    dns = a_dns(server)
    cache = dns._cache
    for number in range(10_000):
        cache.put((f"n{number}", "TXT"), Answer((b"x" * 2000,)), 60)
    assert len(cache._kept) <= 4096
    assert cache._octets <= 4 * 1024 * 1024
    assert cache.get(("n9999", "TXT")) is not None
    assert cache.get(("n0", "TXT")) is None


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300))
def test_a_name_that_no_server_has_is_missing_without_a_question(name: str) -> None:
    asked = Dns(["127.0.0.1"], port=1, questions=0).for_one_mail()
    assert isinstance(asked.txt("\x00" + name), Missing)
    assert not isinstance(asked.txt(name), Answer)
