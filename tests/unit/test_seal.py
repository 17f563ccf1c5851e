"""A source's secret opens with the installation's key, and for what it was sealed for (T16); references (D7)."""

from __future__ import annotations

import time
import traceback
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from maild.config import secret as reading
from maild.config.problem import ConfigError
from maild.core.seal import (
    BrokenSealError,
    OtherKeyError,
    SealingKey,
    key_id_of,
    read_sealing_key,
    seal,
    unseal,
)
from maild.core.source_secrets import SecretRef, SecretUnavailableError, read_reference
from maild.model.source import SignIn
from maild.settings import SecretSource

KEY_TEXT = "0123456789abcdefghijklmnopqrstuvwxyz-of-chance"
KEY = SealingKey.of(KEY_TEXT)
SECRET = "canary-Wf8-hunter2"
BOUND = ["acme", "info", "imap.example.org", "993", "info@example.org", "implicit"]


def source(
    *, file: Path | None = None, command: tuple[str, ...] = (), credential: str = ""
) -> SecretSource:
    return SecretSource(file=file, command=command, credential=credential)


def told(error: BaseException) -> str:
    """Return all that a traceback with its chain would show."""
    return "".join(traceback.format_exception(error)) + repr(error) + str(vars(error))


def test_D7_a_sealed_secret_opens_with_the_key_for_what_it_was_sealed_for() -> None:
    assert unseal(SealingKey.of(KEY_TEXT), seal(KEY, SECRET, BOUND), list(BOUND)) == SECRET


def test_D7_a_sealed_text_tells_its_version_and_key_and_not_the_secret() -> None:
    sealed = seal(KEY, SECRET, BOUND)
    assert sealed.startswith(f"v1:{KEY.id}:")
    assert key_id_of(sealed) == KEY.id
    assert SECRET not in sealed


def test_D7_the_same_secret_is_sealed_differently_each_time() -> None:
    assert seal(KEY, SECRET, BOUND) != seal(KEY, SECRET, BOUND)


@pytest.mark.parametrize("place", range(len(BOUND)))
def test_T16_a_secret_is_void_once_account_source_host_port_user_or_tls_is_another(
    place: int,
) -> None:
    elsewhere = [*BOUND[:place], "other", *BOUND[place + 1 :]]
    with pytest.raises(BrokenSealError):
        unseal(KEY, seal(KEY, SECRET, BOUND), elsewhere)


@given(st.lists(st.text(max_size=4), max_size=4), st.lists(st.text(max_size=4), max_size=4))
def test_T16_no_two_bindings_are_alike(one: list[str], other: list[str]) -> None:
    sealed = seal(KEY, SECRET, one)
    if one == other:
        assert unseal(KEY, sealed, other) == SECRET
    else:
        with pytest.raises(BrokenSealError):
            unseal(KEY, sealed, other)


@given(st.data())
def test_D7_a_sealed_text_that_was_changed_does_not_open(data: st.DataObject) -> None:
    sealed = seal(KEY, SECRET, BOUND)
    at = data.draw(st.integers(0, len(sealed) - 1))
    other = data.draw(st.sampled_from("Aa0-_:=v\x00ä"))
    changed = sealed[:at] + other + sealed[at + 1 :]
    if changed != sealed:
        with pytest.raises((BrokenSealError, OtherKeyError)):
            unseal(KEY, changed, BOUND)


@given(st.text())
def test_D7_whatever_else_stands_there_is_no_sealed_secret(text: str) -> None:
    with pytest.raises(BrokenSealError):
        unseal(KEY, text, BOUND)


def test_D7_another_key_is_told_from_a_broken_seal_by_its_id() -> None:
    other = SealingKey.of(KEY_TEXT + "!")
    with pytest.raises(OtherKeyError, match=f"{KEY.id}; secret_key is {other.id}"):
        unseal(other, seal(KEY, SECRET, BOUND), BOUND)


def test_D7_a_key_id_that_was_forged_does_not_open_with_another_key() -> None:
    other = SealingKey.of(KEY_TEXT + "!")
    forged = seal(KEY, SECRET, BOUND).replace(KEY.id, other.id)
    with pytest.raises(BrokenSealError):
        unseal(other, forged, BOUND)


def test_D7_neither_key_nor_secret_is_shown_by_repr_or_errors() -> None:
    sealed = seal(KEY, SECRET, BOUND)
    shown = repr(KEY)
    for key, bound in ((KEY, ["x"]), (SealingKey.of(KEY_TEXT + "!"), BOUND)):
        with pytest.raises((BrokenSealError, OtherKeyError)) as caught:
            unseal(key, sealed, bound)
        shown += told(caught.value)
    assert KEY_TEXT not in shown
    assert SECRET not in shown
    assert sealed not in shown


def test_D7_the_key_is_read_from_where_the_setting_says(tmp_path: Path) -> None:
    file = tmp_path / "maild.key"
    file.write_text(KEY_TEXT + "\n")
    file.chmod(0o600)
    assert read_sealing_key(source(file=file), {}).id == KEY.id


def test_D7_a_missing_key_names_the_setting_and_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"secret_key: there is no file.*openssl rand.*maild.key"):
        read_sealing_key(source(file=tmp_path / "maild.key"), {})


def test_D7_a_key_that_is_too_short_is_refused_and_not_told(tmp_path: Path) -> None:
    file = tmp_path / "maild.key"
    file.write_text("tooshort-canary")
    file.chmod(0o600)
    with pytest.raises(ConfigError, match="secret_key: is shorter than 32 characters") as caught:
        read_sealing_key(source(file=file), {})
    assert "tooshort-canary" not in told(caught.value)


def test_D7_a_reference_reads_a_file_a_command_and_a_credential_without_the_newline(
    tmp_path: Path,
) -> None:
    file = tmp_path / "password"
    file.write_text(SECRET + "\n")
    file.chmod(0o600)
    env = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    for ref in (
        SecretRef(SignIn.FILE, str(file)),
        SecretRef(SignIn.COMMAND, f"printf '%s\\n' {SECRET}"),
        SecretRef(SignIn.CREDENTIAL, "password"),
    ):
        assert read_reference(ref, env) == SECRET


def test_D7_no_shell_runs_a_reference_s_command(tmp_path: Path) -> None:
    ref = SecretRef(SignIn.COMMAND, f"echo $HOME; touch {tmp_path}/made")
    assert read_reference(ref, {}) == f"$HOME; touch {tmp_path}/made"
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        (SignIn.FILE, "/no/such/file", "file: there is no file /no/such/file"),
        (SignIn.FILE, "relative", "file: the path must begin with /"),
        (SignIn.FILE, "/", "is not an ordinary file"),
        (SignIn.FILE, "/dev/null", "is not an ordinary file"),
        (SignIn.COMMAND, "true", "command: is empty"),
        (SignIn.COMMAND, f"sh -c 'echo {SECRET}; exit 3'", "failed with status 3"),
        (SignIn.COMMAND, f"sh -c 'echo {SECRET} >&2; kill -9 $$'", "failed with status -9"),
        (SignIn.COMMAND, "/no/such", "did not run: no such file"),
        (SignIn.COMMAND, "echo 'open", "quotation mark"),
        (SignIn.COMMAND, " ", "there is no command"),
        (SignIn.CREDENTIAL, "../etc/passwd", "LoadCredential="),
        (SignIn.CREDENTIAL, "absent", "LoadCredential="),
        (SignIn.GOOGLE, "x", "is no reference"),
    ],
)
def test_D7_a_reference_that_cannot_be_read_gets_a_sentence(
    kind: SignIn, value: str, said: str
) -> None:
    with pytest.raises(SecretUnavailableError, match=said) as caught:
        read_reference(SecretRef(kind, value), {})
    assert SECRET not in told(caught.value)


def test_D7_a_command_that_says_no_end_is_cut_off() -> None:
    with pytest.raises(SecretUnavailableError, match="larger than 64 KiB"):
        read_reference(SecretRef(SignIn.COMMAND, "yes"), {})


@pytest.mark.parametrize(
    "command", ["sleep 60", "sh -c 'exec >&-; sleep 60'", "sh -c 'sleep 60 & wait'"]
)
def test_D7_a_command_that_hangs_is_ended(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "SECRET_TIMEOUT_S", 0.2)
    with pytest.raises(SecretUnavailableError, match="gave no answer"):
        read_reference(SecretRef(SignIn.COMMAND, command), {})


@pytest.mark.slow
def test_D7_a_command_that_hangs_is_ended_with_what_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "SECRET_TIMEOUT_S", 1.0)
    told_pid = tmp_path / "pid"
    with pytest.raises(SecretUnavailableError, match="gave no answer"):
        read_reference(
            SecretRef(SignIn.COMMAND, f"sh -c 'sleep 60 & echo $! > {told_pid}; wait'"), {}
        )
    stat = Path(f"/proc/{told_pid.read_text().strip()}/stat")
    ends_at = time.monotonic() + 20
    # Killed, and perhaps not yet taken note of by its new parent.
    while stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < ends_at
        time.sleep(0.01)
