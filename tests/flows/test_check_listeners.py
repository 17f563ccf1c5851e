"""I3: `maild check` warns when what counts as proof can be had from outside."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from maild.daemon.check import Line, _listener_lines
from maild.doors.smtp.facts import ListenerFacts
from maild.model.envelope import Door, Trust
from maild.model.written import HostPort, UnixSocket

Bind = HostPort | UnixSocket | socket.socket


def warnings(bind: Bind, *domains: str) -> list[Line]:
    facts = ListenerFacts(
        name="smtp-0",
        door=Door.SMTP,
        bind=bind,
        hostname="mail.acme.example",
        trust=Trust(authenticated_for=domains),
    )
    lines = _listener_lines(facts, is_running=True)
    return [line for line in lines if line.verdict == "WARN" and "authenticated_for" in line.text]


@pytest.fixture
def outside() -> Iterator[socket.socket]:
    """A socket as a supervisor hands it in, bound to every address of the machine."""
    with socket.socket() as opened:
        opened.bind(("0.0.0.0", 0))
        yield opened


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "10.0.0.1", "mail.acme.example"])
def test_I3_an_authenticated_listener_that_is_reached_from_outside_is_warned_of(host: str) -> None:
    [line] = warnings(HostPort(host, 587), "acme.example")
    assert "loopback" in line.text


def test_I3_so_is_one_whose_socket_the_supervisor_opened(outside: socket.socket) -> None:
    assert len(warnings(outside, "acme.example")) == 1


@pytest.mark.parametrize(
    "bind",
    [
        HostPort("127.0.0.1", 587),
        HostPort("::1", 587),
        HostPort("localhost", 587),
        UnixSocket(Path("s")),
    ],
    ids=str,
)
def test_I3_behind_the_server_that_signs_users_in_there_is_nothing_to_warn_of(bind: Bind) -> None:
    assert warnings(bind, "acme.example") == []


def test_I3_a_listener_that_proves_nothing_may_face_the_world(outside: socket.socket) -> None:
    assert warnings(outside) == []
