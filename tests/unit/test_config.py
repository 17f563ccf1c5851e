"""Configuration: from file and environment to settings, with every fault at once and in its place."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings as hypothesis_settings, strategies as st

from maild.config import ConfigError, find_config, load, read_secret, write_initial
from maild.config.fields import is_table, model_in
from maild.config.sample import sample
from maild.model.toml_lines import key_lines
from maild.model.written import HostPort, UnixSocket
from maild.settings import SecretSource, Settings

ROOT = Path(__file__).parents[2]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "maild.toml"


def problems(file: Path, text: str | bytes, env: dict[str, str] | None = None) -> list[str]:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        load(file, env or {})
    return [line.replace(str(file), "maild.toml") for line in caught.value.problems]


def loaded(file: Path, text: str, env: dict[str, str] | None = None) -> Settings:
    file.write_text(text)
    return load(file, env or {})


# The sample file


def test_the_sample_file_is_the_defaults(file: Path) -> None:
    text = (ROOT / "config/maild.toml").read_text()
    assert loaded(file, text) == loaded(file, "")


def test_the_sample_file_shows_every_key_with_its_default() -> None:
    shown = tomllib.loads((ROOT / "config/maild.toml").read_text())
    expected: dict[str, Any] = {}
    for name, leaf in Settings.model_fields.items():
        model = model_in(leaf)
        if model is None:
            expected[name] = leaf.default
            continue
        if leaf.default == []:
            continue  # As it stands there it would be one; it is shown as a comment.
        table = {key: field.default for key, field in model.model_fields.items()}
        expected[name] = table if is_table(leaf) else [table]
    assert shown == expected


def test_the_sample_file_is_up_to_date_and_says_a_word_on_each_key() -> None:
    text = (ROOT / "config/maild.toml").read_text()
    assert text == sample(), "run: make docs"
    for line in text.splitlines():
        assert not line or "# " in line or line == "#"


# Faults and their places


def test_all_faults_are_told_at_once_each_with_its_line(file: Path) -> None:
    text = """\
hostnam = "mail.acme.example"
[store]
reserve = "lots"

[[listener]]
[[listener]]
max_sise = "35MiB"     # nearly
"bind" = '''
::1:25'''
relays = [
  "10.0.0.1", # [[not a table]]
  "10.0.0.1/8",
]
[log]
level = "loud"
"""
    assert problems(file, text) == [
        "maild.toml:1: hostnam: there is no such key; did you mean hostname?",
        (
            'maild.toml:3: store.reserve: must be a size such as "35MiB", "32KiB" or 4096 '
            "(units: B, KiB, MiB, GiB, TiB); it is “lots”"
        ),
        "maild.toml:7: listener.1.max_sise: there is no such key; did you mean max_size?",
        'maild.toml:8: listener.1.bind: an IPv6 address stands in brackets: "[::1]:25"',
        (
            "maild.toml:12: listener.1.relays.1: “10.0.0.1/8” is an address inside a network; "
            'the network is "10.0.0.0/8"'
        ),
        'maild.toml:15: log.level: must be "debug", "info", "warning" or "error"; it is “loud”',
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[listener]]\nreserve = '1GiB'", "maild.toml:2: listener.0.reserve: does not stand here; it belongs in [store]"),
        ("[web]\nhostname = 'x'", "at the top of the file, before the first table"),
        ("[listener]\nbind = 'x'", "maild.toml:1: listener: is written [[listener]], with two brackets"),
        ("store = 3", "maild.toml:1: store: is a table: write [store]"),
        ("listener = [1]", "maild.toml:1: listener.0: must be a table"),
        ("[relay]\nport = '587'", "maild.toml:2: relay.port: must be a whole number, without quotes; it is “587”"),
        ("[relay]\nport = 0", "must be at least 1; it is “0”"),
        ("[relay]\nport = true", "must be a whole number"),
        ("[workers]\nprocesses = 99999", "must be at most 256"),
        ("[[listener]]\nauth = 1", "must be true or false"),
        ("[[listener]]\nrelays = '10.0.0.1'", "must be a list"),
        ("[relay]\nusername = 12", "must be text, in quotes; it is “12”"),
        ("[[listener]]\nidle_timeout = 60", 'such as "60s"'),
        ("[[listener]]\nidle_timeout = nan", "must be between"),
        ("[[listener]]\nmax_size = '1B'", "must be between 1KiB and 1GiB; it is “1B”"),
        ("[[listener]]\n\ntls_cert = 'x'", "maild.toml:1: listener.0: tls_cert and tls_key belong together"),
        ("zzz = 1", "maild.toml:1: zzz: there is no such key; here can stand database, hostname,"),
        ("[web]\nzzz = 1", "there is no such key; here can stand bind, public_url"),
        ("store.bodies = 'ftp:x'", "maild.toml:1: store.bodies: must be"),
        ("store = { bodies = 1 }", "maild.toml:1: store.bodies: must be"),
        ("'store'.\"re\\u0073erve\" = 'x'", "maild.toml:1: store.reserve: must be"),
        ("\n[[listener]]" * 101, "maild.toml:2: listener: has too many entries; at most 100"),
        ("hostname = '" + "x" * 5000 + "'", "hostname: is 5000 characters long; at most 1000"),
        ('hostname = "a\\u0000b"', "control characters"),
        ("hostname = '-ä-'", "is not a domain name"),
        ("[limits]\nrecipients = 0x" + "f" * 5000, "it is a very large number"),
        ("[limits]\nrecipients = 1979-05-27", "it is a date or time"),
        ("database = 'postgresql://u@h/d'", 'begins with "postgresql+psycopg://"'),
    ],
)  # fmt: skip
def test_a_wrong_key_or_value_gets_its_line_and_a_sentence(
    file: Path, text: str, said: str
) -> None:
    (only,) = problems(file, text)
    assert said in only
    assert only.isprintable()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"a = 1\nb = = 2", "maild.toml:2: is not TOML: invalid value"),
        (b"a = [", "maild.toml:1: is not TOML: "),
        (b"\n[store\n", "maild.toml:2: is not TOML: "),
        (b"[store]\n[store]\n", "maild.toml:2: is not TOML: "),
        (b"a = " + b"[" * 100_000, "maild.toml: is nested too deeply"),
        (b"depth = " + b"9" * 5000, "is not TOML"),
        (b"\n\nhostname = '\xe4'", "maild.toml:3: is not UTF-8 text"),
        (b"\xff\xfe\x00", "maild.toml:1: is not UTF-8 text"),
        (b"\0", "maild.toml:1: is not TOML"),
        (b"#" * (2**20 + 1), "maild.toml: is larger than 1 MiB"),
    ],
)
def test_a_file_that_is_not_toml_gets_a_sentence(file: Path, text: bytes, said: str) -> None:
    (only,) = problems(file, text)
    assert only.startswith(said) or said in only
    assert only.isprintable()


def test_a_file_from_windows_is_read(file: Path) -> None:
    text = b'\xef\xbb\xbfhostname = "mail.acme.example"\r\n[log]\r\nlevel = "loud"\r\n'
    assert problems(file, text)[0].startswith("maild.toml:3: log.level")


def test_a_file_that_cannot_be_used_gets_a_sentence(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path, said in [
        (tmp_path, "is a folder"),
        (tmp_path / "none.toml", "there is no such file; `maild init` writes one"),
        (fifo, "is not an ordinary file"),
        (tmp_path / "a\0b", "no file name can have"),
        (tmp_path / ("x" * 300), "name too long"),
        (tmp_path / "none.toml" / "x", "no such file"),
    ]:
        with pytest.raises(ConfigError, match=said):
            load(path, {})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_gets_a_sentence(file: Path) -> None:
    file.touch(mode=0o000)
    with pytest.raises(ConfigError, match="may not be read"):
        load(file, {})


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    raw=st.binary(max_size=60)
    | st.text(alphabet="[]{}=.,'\"\\#\n ab1", max_size=40).map(str.encode)
)
def test_any_bytes_are_settings_or_sentences(file: Path, raw: bytes) -> None:
    file.write_bytes(raw)
    said: tuple[str, ...] = ()
    try:
        load(file, {})
    except ConfigError as error:
        said = error.problems
    assert all(line.isprintable() for line in said)


# Lines


def test_lines_of_keys_in_every_way_to_write_them() -> None:
    text = '''\
a = 1
b.c = """
x = 1
\\"""" # quote before the end
"d e".'f' = {g = [1, {h = 2}], i = 3}
[t]
k = 1979-05-27 07:32:00 # = [
[[l]]
[l.m]
n = '[z]'
[[l]]
m.n = [
  1,
  [ 2 ],
]
[[l.o]]
p = 1.5
'''
    tomllib.loads(text)
    lines = key_lines(text)
    assert lines[("a",)] == 1
    assert lines[("b",)] == lines[("b", "c")] == 2
    assert lines[("d e", "f", "g", 1, "h")] == lines[("d e", "f", "i")] == 5
    assert (lines[("t",)], lines[("t", "k")]) == (6, 7)
    assert (lines[("l", 0)], lines[("l", 0, "m")], lines[("l", 0, "m", "n")]) == (8, 9, 10)
    assert (lines[("l", 1)], lines[("l", 1, "m", "n", 1, 0)]) == (11, 14)
    assert (lines[("l", 1, "o", 0)], lines[("l", 1, "o", 0, "p")]) == (16, 17)
    assert ("x",) not in lines


def test_the_scanner_finds_every_key_that_tomllib_finds() -> None:
    text = (ROOT / "config/maild.toml").read_text()
    found = key_lines(text)

    def paths(value: object, path: tuple[str | int, ...]) -> list[tuple[str | int, ...]]:
        if isinstance(value, dict):
            return [path, *(p for key, inner in value.items() for p in paths(inner, (*path, key)))]
        if isinstance(value, list):
            return [path, *(p for i, inner in enumerate(value) for p in paths(inner, (*path, i)))]
        return [path]

    for path in paths(tomllib.loads(text), ()):
        assert not path or path in found


# The environment


def test_the_environment_stands_above_the_file(file: Path) -> None:
    env = {
        "MAILD_DATABASE": "postgresql+psycopg:///maild",
        "MAILD_STORE__RESERVE": "2GiB",
        "MAILD_STORE__INLINE_MAX": "4096",
        "MAILD_LISTENER__0__BIND": "0.0.0.0:25",
        "MAILD_LISTENER__0__RELAYS": '["10.0.0.0/8"]',
        "MAILD_LISTENER__1__PROTOCOL": "lmtp",
        "MAILD_LISTENER__1__BIND": "unix:lmtp.sock",
        "MAILD_RELAY__USERNAME": "12345",
        "MAILD_LOG__LEVEL": '"debug"',
        "MAILD_WORKERS__PROCESSES": "3",
    }
    found = loaded(file, '[store]\nreserve = "1GiB"\n[[listener]]\nmax_size = "1MiB"', env)
    assert found.database == "postgresql+psycopg:///maild"
    assert (found.store.reserve, found.store.inline_max) == (2 * 2**30, 4096)
    assert found.listener[0].bind == HostPort("0.0.0.0", 25)
    assert found.listener[0].max_size == 2**20
    assert str(found.listener[0].relays[0]) == "10.0.0.0/8"
    assert found.listener[1].bind == UnixSocket(file.parent / "lmtp.sock")
    assert (found.relay.username, found.log.level, found.workers.processes) == ("12345", "debug", 3)


def test_the_first_listener_of_the_environment_is_the_default_one(file: Path) -> None:
    assert (
        loaded(file, "", {"MAILD_LISTENER__0__BIND": "127.0.0.1:0"}).listener[0].max_size
        == 35 * 2**20
    )


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (
            "MAILD_STORE__RESERVES",
            "1",
            "there is no such setting; did you mean MAILD_STORE__RESERVE?",
        ),
        ("MAILD_LISTENER__0__PROTO", "x", "did you mean MAILD_LISTENER__0__PROTOCOL?"),
        (
            "MAILD_LISTENER__BIND",
            "x",
            "there is no such setting; did you mean MAILD_LISTENER__0__BIND?",
        ),
        ("MAILD_LISTENER__7__BIND", "x", "the next number that can be used is 1"),
        ("MAILD_LISTENER__0", "x", "there is no such setting"),
        ("MAILD_STORE", "x", "is a table; set one of its keys, as MAILD_STORE__INLINE_MAX"),
        (
            "MAILD_LIMITS__RECIPIENTS",
            "many",
            "must be a whole number, without quotes; it is “many”",
        ),
        ("MAILD_RELAY__PORT", "0", "must be at least 1"),
        ("MAILD_HOSTNAME", "\udcff", "broken Unicode"),
        ("MAILD_HOSTNAME", "x" * 100_000, "100000 characters long"),
        ("MAILD_STORE__RESERVE", "[" * 100_000, "must be a size"),
        ("MAILD_STORE__RESERVE", "1\nx = 2", "must be a size"),
        ("MAILD_LISTENER", "3", "is written [[listener]]"),
    ],
)
def test_a_wrong_variable_is_named(file: Path, name: str, value: str, said: str) -> None:
    (only,) = problems(file, "", {name: value})
    assert only.startswith(f"{name}: ")
    assert said in only


def test_hostile_names_of_variables_get_a_sentence(file: Path) -> None:
    env = {"MAILD_\udc80\n": "x", "MAILD_" + "X" * 10_000: "x", "MAILD_": "", "MAILD______": "y"}
    assert len(problems(file, "", env)) == 4


def test_what_is_not_meant_as_a_setting_is_left_alone(file: Path) -> None:
    env = {
        "MAILD_CONFIG": "x", "MAILD_TEST_PG": "x", "MAILD_FAILPOINT": "x", "MAILDIR": "x",
        "MAILD_PORT": "tcp://10.0.0.1:25", "MAILD_PORT_25_TCP_ADDR": "x", "MAILD_SERVICE_HOST": "x",
    }  # fmt: skip
    assert loaded(file, "", env) == loaded(file, "")


def test_a_variable_on_a_broken_table_leaves_the_fault_to_the_file(file: Path) -> None:
    said = problems(file, "store = 3\nlistener = 4", {"MAILD_STORE__RESERVE": "1GiB"})
    assert any("maild.toml:1: store" in line for line in said)


# Finding the file


def test_the_file_is_looked_for_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("maild.config.loading.SYSTEM_CONFIG", tmp_path / "etc.toml")
    assert find_config(None, {}) is None
    (tmp_path / "etc.toml").touch()
    assert find_config(None, {}) == tmp_path / "etc.toml"
    (tmp_path / "maild.toml").touch()
    assert find_config(None, {}) == Path("maild.toml")
    assert find_config(None, {"MAILD_CONFIG": "/x/y"}) == Path("/x/y")
    assert find_config(Path("/o"), {"MAILD_CONFIG": "/x/y"}) == Path("/o")


def test_without_a_file_the_defaults_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load(None, {}).database == f"sqlite:///{tmp_path}/maild.db"
    assert load(None, {}).hostname


# The first file


def test_the_first_file_is_short_and_loads(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "run"
    path = write_initial(folder)
    text = path.read_text()
    assert len(text.splitlines()) <= 25
    assert path.stat().st_mode & 0o777 == 0o600
    found = load(path, {})
    assert found.database == f"sqlite:///{folder}/maild.db"
    assert [str(listener.bind) for listener in found.listener] == [
        "127.0.0.1:2525",
        f"unix:{folder}/lmtp.sock",
    ]


def test_the_first_file_says_what_was_asked_for(tmp_path: Path) -> None:
    path = write_initial(
        tmp_path,
        database="postgresql+psycopg:///maild",
        smtp="[::1]:2526",
        lmtp="/run/maild/l.sock",
        web="127.0.0.1:8026",
        domain="acme.example",
    )
    found = load(path, {})
    assert (found.database, found.hostname) == ("postgresql+psycopg:///maild", "acme.example")
    assert [str(listener.bind) for listener in found.listener] == [
        "[::1]:2526",
        "unix:/run/maild/l.sock",
    ]
    assert str(found.web.bind) == "127.0.0.1:8026"


def test_an_lmtp_address_may_be_tcp(tmp_path: Path) -> None:
    assert load(write_initial(tmp_path, lmtp="127.0.0.1:2424"), {}).listener[1].bind == HostPort(
        "127.0.0.1", 2424
    )


def test_where_a_socket_would_not_fit_the_first_file_has_none(tmp_path: Path) -> None:
    found = load(write_initial(tmp_path / ("x" * 100)), {})
    assert [listener.protocol for listener in found.listener] == ["smtp"]


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    write_initial(tmp_path).write_text("# mine")
    with pytest.raises(ConfigError, match="exists already and was not touched"):
        write_initial(tmp_path)
    assert (tmp_path / "maild.toml").read_text() == "# mine"


def test_wrong_options_are_told_together_and_nothing_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "none"
    with pytest.raises(ConfigError) as caught:
        write_initial(folder, database="x", smtp="25", lmtp="unix:", web='a"b:1', domain="a\nb")
    assert [line.split(":")[0] for line in caught.value.problems] == [
        "--database", "--smtp", "--lmtp", "--web", "--domain",
    ]  # fmt: skip
    assert not folder.exists()


def test_two_doors_on_one_address_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="same bind"):
        write_initial(tmp_path, smtp="127.0.0.1:1", lmtp="127.0.0.1:1")
    assert not (tmp_path / "maild.toml").exists()


def test_a_folder_that_cannot_be_made_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (
        tmp_path / "file",
        tmp_path / "file" / "x",
        tmp_path / "a\0b",
        tmp_path / ("y" * 300),
    ):
        with pytest.raises(ConfigError):
            write_initial(folder)


# Secrets


def source(**where: Any) -> SecretSource:
    return SecretSource(**{"file": None, "command": (), "credential": "", **where})


def test_a_secret_is_read_from_file_command_or_credential(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("geheim\n")
    path.chmod(0o600)
    assert read_secret(source(file=path), "key", {}) == "geheim"
    assert read_secret(source(command=("printf", "geheim\n")), "key", {}) == "geheim"
    env = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert read_secret(source(credential="key"), "key", env) == "geheim"


def test_a_secret_that_cannot_be_had_gets_a_sentence(tmp_path: Path) -> None:
    everybody = tmp_path / "open"
    everybody.write_text("geheim")
    everybody.chmod(0o644)
    empty = tmp_path / "empty"
    empty.touch(0o600)
    for where, said in [
        (source(), "is not set"),
        (source(file=everybody), "chmod 600"),
        (source(file=empty), "is empty"),
        (source(file=tmp_path / "none"), "there is no file"),
        (source(file=tmp_path), "not an ordinary file"),
        (source(command=("false",)), "failed with status 1"),
        (source(command=("/no/such",)), "did not run: no such file"),
        (source(credential="x"), "LoadCredential="),
        (source(credential="../x"), "LoadCredential="),
    ]:
        with pytest.raises(ConfigError, match=said) as caught:
            read_secret(where, "secret_key", {})
        assert "geheim" not in str(caught.value)


def test_a_time_zone_that_the_system_does_not_know_is_told(tmp_path: Path) -> None:
    path = tmp_path / "maild.toml"
    path.write_text('[digest]\ntimezone = "Europe/Atlantis"\n')
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert "Europe/Atlantis" in str(caught.value)
