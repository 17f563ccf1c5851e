"""Settings: what each kind of value may be, and what is said when it is not."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError
from sqlalchemy import make_url

from maild.model import written
from maild.model.written import FdSocket, FileBodies, HostPort, S3Bodies, UnixSocket
from maild.settings import ListenerSettings, Settings

ANY_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def settings(**data: Any) -> Settings:
    return Settings.model_validate(data, context={"folder": Path("/srv/maild")})


def complaint(**data: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        settings(**data)
    (found,) = caught.value.errors()
    return f"{'.'.join(map(str, found['loc']))}: {found['msg'].removeprefix('Value error, ')}"


def listener(**data: Any) -> ListenerSettings:
    return settings(listener=[data]).listener[0]


@pytest.mark.parametrize(
    ("text", "octets"),
    [("35MiB", 36700160), ("32KiB", 32768), ("1 GiB", 2**30), ("0", 0), ("17B", 17), (4096, 4096)],
)
def test_sizes(text: str | int, octets: int) -> None:
    assert written.size_in_bytes(text) == octets


@pytest.mark.parametrize(
    "text", ["35MB", "35 mib", "-1", -1, "1.5MiB", "", "MiB", True, 1.0, None, [], "٣"]
)
def test_a_size_that_is_none_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(ValueError, match="35MiB"):
        written.size_in_bytes(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60s", 60), ("15min", 900), ("2h", 7200), ("500ms", 0.5), ("1.5h", 5400), ("14d", 1209600)],
)
def test_durations(text: str, seconds: float) -> None:
    assert written.duration_in_seconds(text) == seconds


@pytest.mark.parametrize("text", ["60", 60, True, "15m", "1 week", "-1s", "", "1e3s", None])
def test_a_time_without_its_unit_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(ValueError, match="15min"):
        written.duration_in_seconds(text)


@pytest.mark.parametrize(
    ("text", "bind"),
    [
        ("127.0.0.1:2525", HostPort("127.0.0.1", 2525)),
        ("[::1]:2525", HostPort("::1", 2525)),
        ("localhost:0", HostPort("localhost", 0)),
        ("unix:lmtp.sock", UnixSocket(Path("/srv/maild/lmtp.sock"))),
        ("unix:/run/maild/lmtp.sock", UnixSocket(Path("/run/maild/lmtp.sock"))),
        ("fd:smtp", FdSocket("smtp")),
    ],
)
def test_places_to_listen_at(text: str, bind: object) -> None:
    assert listener(bind=text).bind == bind
    assert listener(bind=str(bind)).bind == bind


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("2525", "an address and a port"),
        (":2525", "an address and a port"),
        ("127.0.0.1:", "an address and a port"),
        ("127.0.0.1:70000", "ports end at 65535"),
        ("127.0.0.1:٢٥", "an address and a port"),
        ("*:25", "0.0.0.0:25"),
        ("::1:25", "stands in brackets"),
        ("[127.0.0.1]:25", "not an IPv6 address"),
        ("1.2.3.999:25", "not an IP address"),
        ("no such host:25", "not a domain name"),
        ("unix:", "has no path"),
        ("unix:" + "x" * 200, "the system allows 107"),
        ("unix:~/lmtp.sock", "not expanded"),
        ("fd:", "FileDescriptorName"),
        ("fd:a b", "FileDescriptorName"),
        ("unix:a\0b", "control characters"),
        ("x" * 5000, "5000 characters long"),
        (2525, "in quotes"),
    ],
)
def test_a_place_that_is_none_says_what_to_write(text: object, hint: str) -> None:
    said = complaint(listener=[{"bind": text}])
    assert said.startswith("listener.0.bind: ")
    assert hint in said


def test_relative_paths_start_at_the_folder_of_the_file() -> None:
    found = settings(
        database="sqlite:///maild.db", store={"bodies": "file:bodies"}, secret_key_file="maild.key"
    )
    assert found.database == "sqlite:////srv/maild/maild.db"
    assert found.store.bodies == FileBodies(Path("/srv/maild/bodies"))
    assert found.secret_key_file == Path("/srv/maild/maild.key")
    absolute = settings(database="sqlite:////var/m.db", store={"bodies": "file:///var/b"})
    assert absolute.database == "sqlite:////var/m.db"
    assert absolute.store.bodies == FileBodies(Path("/var/b"))


def test_defaults_go_through_the_same_checks() -> None:
    found = settings()
    assert found.database == "sqlite:////srv/maild/maild.db"
    assert found.listener[0].max_size == 35 * 2**20
    assert found.listener[0].relays == (ip_network("127.0.0.1"), ip_network("::1"))


def test_bodies_in_an_object_store() -> None:
    assert settings(store={"bodies": "s3://bucket/a/b/"}).store.bodies == S3Bodies("bucket", "a/b")
    assert "s3://bucket/prefix" in complaint(store={"bodies": "ftp://x"})


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://a:geheim@h/d",
        "mysql://a:geheim@h/d",
        "postgresql+psycopg://a:geheim@h:x/d",
        "postgresql+psycopg://?geheim@:5432",
        "sqlite:///x?geheim",
        7,
    ],
)
def test_the_password_in_a_database_url_is_never_repeated(url: object) -> None:
    assert "geheim" not in complaint(database=url)


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///a?b=c", "maild.db", ""]
)
def test_a_database_that_maild_cannot_share_between_processes_is_refused(url: str) -> None:
    assert complaint(database=url).startswith("database: ")


@given(st.from_regex(r"(postgresql\+psycopg|sqlite)://[ -~]{0,30}", fullmatch=True))
def test_a_database_url_that_passes_is_one_for_sqlalchemy(url: str) -> None:
    try:
        found = written.database_url(url, None)
    except ValueError:
        return
    make_url(found)


def test_certificate_and_key_belong_together() -> None:
    assert "tls_key is missing" in complaint(listener=[{"tls_cert": "c.pem"}])
    assert "tls_cert is missing" in complaint(listener=[{"tls_key": "k.pem"}])
    both = listener(tls_cert="c.pem", tls_key="/k.pem")
    assert (both.tls_cert, both.tls_key) == (Path("/srv/maild/c.pem"), Path("/k.pem"))


def test_starttls_without_certificate_is_simply_not_offered_but_implicit_needs_one() -> None:
    assert listener(tls="starttls").tls_cert is None
    assert "needs tls_cert" in complaint(listener=[{"tls": "implicit"}])
    assert "needs TLS" in complaint(listener=[{"auth": True}])


def test_lmtp_stays_off_port_25() -> None:
    assert "RFC 2033" in complaint(listener=[{"protocol": "lmtp", "bind": "127.0.0.1:25"}])


def test_domains_and_authserv_ids_are_canonical() -> None:
    found = listener(authenticated_for=["Bücher.Example"], trusted_authserv_ids=["MX.Acme.Example"])
    assert found.authenticated_for == ("xn--bcher-kva.example",)
    assert found.trusted_authserv_ids == ("mx.acme.example",)
    assert "authserv-id" in complaint(listener=[{"trusted_authserv_ids": ["a b"]}])


def test_relays_are_addresses_and_networks() -> None:
    assert listener(relays=["10.0.0.0/8", "::1"]).relays == (
        ip_network("10.0.0.0/8"),
        ip_network("::1"),
    )
    assert '"10.0.0.0/8"' in complaint(listener=[{"relays": ["10.1.2.3/8"]}])
    assert "neither" in complaint(listener=[{"relays": ["mx.acme.example"]}])


def test_resolvers_may_have_a_port() -> None:
    found = settings(auth={"dns": ["9.9.9.9", "::1", "127.0.0.1:5353", "[::1]:53"]})
    assert found.auth.dns == (
        HostPort("9.9.9.9", 53), HostPort("::1", 53), HostPort("127.0.0.1", 5353), HostPort("::1", 53),
    )  # fmt: skip
    assert "auth.dns.0" in complaint(auth={"dns": ["dns.example:53"]})


def test_two_doors_cannot_have_one_address() -> None:
    assert "same bind" in complaint(listener=[{}, {"protocol": "lmtp"}])
    assert "web" in complaint(listener=[{"bind": "127.0.0.1:8025"}])
    assert len(settings(listener=[{"bind": "127.0.0.1:0"}, {"bind": "127.0.0.1:0"}]).listener) == 2


def test_a_secret_has_one_home() -> None:
    assert settings().secret_key.file == Path("/srv/maild/maild.key")
    by_credential = settings(secret_key_credential="key").secret_key
    assert (by_credential.file, by_credential.credential) == (None, "key")
    assert "only one" in complaint(secret_key_credential="key", secret_key_command=["x"])
    assert "only one" in complaint(
        relay={"username": "u", "password_file": "f", "password_credential": "c"}
    )
    assert "no username" in complaint(relay={"password_file": "f"})


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(settings(), "hostname", "x")  # noqa: B010


@pytest.mark.parametrize(
    "url",
    [
        "mail.example.com",
        "ftp://x",
        "https://",
        "https://x/?q",
        "https://u@x",
        "http://[",
        "http://a b",
    ],
)
def test_a_public_url_is_a_plain_url(url: str) -> None:
    assert "https://mail.example.com" in complaint(web={"public_url": url})


def test_a_public_url_loses_its_last_slash() -> None:
    assert settings(web={"public_url": "https://mail.acme.example/"}).web.public_url.endswith(
        "example"
    )


@pytest.mark.parametrize(
    "read",
    [
        written.size_in_bytes, written.duration_in_seconds, written.read_bind, written.domain, written.resolver,
        written.network, written.authserv_id, written.public_url,
        lambda value: written.database_url(value, Path("/x")), lambda value: written.body_place(value, Path("/x")),
    ],
)  # fmt: skip
@given(value=ANY_VALUE)
def test_any_value_is_read_or_gets_a_sentence(read: Any, value: object) -> None:
    try:
        read(value)
    except ValueError as error:
        said = str(error)
        assert said
        assert said.isprintable()


def test_every_key_tells_an_operator_what_it_is_for() -> None:
    def check(model: Any) -> None:
        for name, field in model.model_fields.items():
            inner = field.annotation
            if hasattr(inner, "model_fields"):
                check(inner)
            else:
                assert field.description, name

    check(Settings)
    check(ListenerSettings)
