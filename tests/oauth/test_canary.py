"""No secret and no token is in a log of any library, in an error, in `repr`, or on the terminal (D7, T16)."""

from __future__ import annotations

import asyncio
import io
import logging
import re
import traceback
from collections.abc import Callable, Iterator

import pytest

from maild.core.remote import RemoteError
from maild.oauth.choose import authorize
from maild.oauth.kept import RefreshSecret, Rotation
from maild.oauth.line import Answer
from maild.oauth.provider import Grant, TokenProvider
from maild.testing.assertions import key_pem
from maild.testing.issuer import Fault
from tests.oauth.conftest import WAYS, Ways

each_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
Way = Callable[[Ways], TokenProvider]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Yield what every logger says at DEBUG, with the tracebacks; the libraries are there before, so are theirs."""
    import msal  # noqa: F401 - for its loggers

    said = io.StringIO()
    out = logging.StreamHandler(said)
    out.setLevel(logging.NOTSET)
    root = logging.getLogger()
    monkeypatch.setenv("GOOGLE_SDK_PYTHON_LOGGING_SCOPE", "google")
    monkeypatch.setattr(root, "level", logging.DEBUG)
    loggers = [one for one in root.manager.loggerDict.values() if isinstance(one, logging.Logger)]
    before = [(one, one.level, one.propagate, one.disabled) for one in loggers]
    for one in loggers:
        one.level, one.propagate, one.disabled = logging.DEBUG, True, False
    root.manager._clear_cache()  # type: ignore[attr-defined]  # typeshed leaves it out
    root.addHandler(out)
    yield said
    root.removeHandler(out)
    for one, level, propagate, disabled in before:
        one.level, one.propagate, one.disabled = level, propagate, disabled
    root.manager._clear_cache()  # type: ignore[attr-defined]  # typeshed leaves it out


def secrets_of(ways: Ways) -> set[str]:
    """Return all that must not be seen; of long ones a piece, as it may be broken into lines."""
    found = ways.issuer.secrets_told() | {ways.issuer.client_secret, *ways.kept}
    found |= set(key_pem(ways.key).split("\n")[1:-2])
    return {piece for one in found if len(piece := one[:24]) >= 8 and "---" not in piece}


def require_unseen(ways: Ways, text: str) -> None:
    seen = [one for one in secrets_of(ways) if one in text]
    assert seen == []


def told(error: BaseException) -> str:
    """Return an error with all that hangs on it, whether or not a traceback would show it."""
    text, following = "", [error]
    while following:
        one = following.pop()
        text += "".join(traceback.format_exception(one, chain=False)) + repr(one) + str(one.args)
        following += [next_ for next_ in (one.__cause__, one.__context__) if next_ is not None]
    return text


def outcome(provider: TokenProvider) -> str:
    try:
        asyncio.run(provider.get())
    except RemoteError as error:
        return told(error)
    return ""


@each_way
def test_D7_no_logger_tells_a_secret_when_all_goes_well(
    way: Way, ways: Ways, log: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    ways.issuer.rotates = True
    assert outcome(way(ways)) == ""
    out, err = capfd.readouterr()
    require_unseen(ways, log.getvalue() + out + err)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(error="invalid_grant"),
        Fault(status=500, body="<html>"),
        Fault(is_hung_up=True),
        Fault(status=200, body='["right-secret"]'),
        Fault(
            status=200, body='{"access_token": ["right-secret"], "refresh_token": "right-secret"}'
        ),
        Fault(body='{"error": "right-secret", "error_description": "right-secret"}'),
        Fault(body='{"error": ["right-secret"], "error_codes": ["right-secret"]}'),
        Fault(status=302, body="right-secret"),
        Fault(status=400, body="right-secret"),
    ],
    ids=["grant", "500", "gone", "list", "odd token", "echo", "odd echo", "redirect", "no json"],
)
@each_way
def test_D7_no_logger_and_no_error_tells_a_secret_when_it_goes_wrong(
    way: Way, ways: Ways, fault: Fault, log: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    ways.issuer.faults.append(fault)
    error = outcome(way(ways))
    assert error
    out, err = capfd.readouterr()
    require_unseen(ways, log.getvalue() + error + out + err)


@each_way
def test_D7_a_service_that_repeats_what_it_was_sent_is_not_repeated(
    way: Way, ways: Ways, log: io.StringIO
) -> None:
    ways.issuer.client_secret = "another-secret"
    ways.issuer.client_key = None
    provider = way(ways)
    ways.issuer.revoke_all()
    error = outcome(provider)
    assert error
    require_unseen(ways, log.getvalue() + error)


def test_D7_no_logger_tells_the_device_code(ways: Ways, log: io.StringIO) -> None:
    secret = asyncio.run(authorize(ways.tenant, lambda _: None, line=ways.line))
    assert ways.issuer.device_code
    assert secret not in log.getvalue()
    require_unseen(ways, log.getvalue())


@each_way
def test_D7_repr_shows_no_secret(way: Way, ways: Ways) -> None:
    provider = way(ways)
    asyncio.run(provider.get())
    shown = repr(provider) + repr(vars(provider))
    require_unseen(ways, shown)


def test_D7_repr_of_each_part_shows_no_secret() -> None:
    secret = RefreshSecret("canary", "canary")
    parts = [
        secret,
        Rotation(secret, print),
        Grant("canary", 1.0, "canary"),
        Answer(200, "canary", {}),
    ]
    assert not re.search("canary", repr(parts))


def test_the_canary_sings(ways: Ways, log: io.StringIO) -> None:
    token = asyncio.run(ways.refresh().get())
    logging.getLogger("msal.token_cache").debug("told %s", token)
    with pytest.raises(AssertionError):
        require_unseen(ways, log.getvalue())
