"""Arming the fail points that MAILD_FAILPOINT names; never where a stranger can reach a door."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address

from maild import failpoint
from maild.config import ConfigError
from maild.model.written import HostPort, UnixSocket
from maild.settings import Settings


def arm_failpoints(settings: Settings, environment: Mapping[str, str]) -> None:
    """Do what the variable says; nothing without it.  Raises ConfigError."""
    text = environment.get(failpoint.VARIABLE, "").strip()
    if not text:
        return
    for key, bind in _binds(settings):
        if not _is_private(bind):
            sentence = (
                f"{failpoint.VARIABLE}: fail points are for tests, and {key} = {bind} can be reached "
                "from outside; unset the variable"
            )
            raise ConfigError([sentence])
    try:
        failpoint.arm(text)
    except failpoint.FailpointError as error:
        raise ConfigError([f"{failpoint.VARIABLE}: {error}"]) from None


def _binds(settings: Settings) -> Iterator[tuple[str, object]]:
    for number, listener in enumerate(settings.listener):
        yield f"listener.{number}.bind", listener.bind
    for key, bind in (("web.bind", settings.web.bind), ("metrics.bind", settings.metrics.bind)):
        if bind is not None:
            yield key, bind


def _is_private(bind: object) -> bool:
    """Say whether only this machine reaches it; of a socket that a supervisor hands in, nobody knows."""
    if isinstance(bind, UnixSocket):
        return True
    if not isinstance(bind, HostPort):
        return False
    try:
        return ip_address(bind.host).is_loopback
    except ValueError:
        return bind.host == "localhost"
