"""The pipe door: one mail on stdin, sysexits and nothing else for an answer (D1, D2, D6)."""

from __future__ import annotations

import io
import json
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from maild.core.raw import Raw, Spool
from maild.daemon.command_deliver import UsageError, main, parse
from maild.doors.pipe import Piped, exit_status, take, with_crlf, without_separator
from maild.model.clock import system_clock
from maild.model.envelope import Envelope
from maild.model.reason import Answer, Reason
from maild.testing.installation import Installation
from tests.core.company import a_company

INFO, SMALL = "info@acme.example", "small@acme.example"
MAIL = b"From: anna@rossi.example\nTo: info@acme.example\nSubject: Offer\n\nHello\n"
AS_STORED = MAIL.replace(b"\n", b"\r\n")


# --- bytes ------------------------------------------------------------------------------------------------------------


def _whole(parts: Iterator[bytes]) -> bytes:
    return b"".join(parts)


def _cuts(content: bytes) -> Iterator[list[bytes]]:
    """Yield the content in pieces of every size."""
    for size in range(1, len(content) + 1):
        yield [content[at : at + size] for at in range(0, len(content), size)]


def test_D2_a_lone_lf_becomes_crlf_wherever_the_pieces_are_cut() -> None:
    content = b"a\nb\r\nc\r\r\nd\r e\x00\xff\n\n\r\n\r"
    wanted = b"a\r\nb\r\nc\r\r\nd\r e\x00\xff\r\n\r\n\r\n\r"
    for pieces in _cuts(content):
        assert _whole(with_crlf(iter(pieces))) == wanted


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b"From a@b Mon Nov 20\nSubject: x\n\ny\n", b"Subject: x\n\ny\n"),
        (b"From a@b Mon\r\nSubject: x\r\n", b"Subject: x\r\n"),
        (b"From: a@b\n\nFrom here\n", b"From: a@b\n\nFrom here\n"),
        (b"Fro", b"Fro"),
        (b"From ", b""),
        (b"From \n", b""),
        (b"", b""),
        (b">From x\n", b">From x\n"),
    ],
)
def test_D2_an_mbox_separator_in_front_is_dropped(content: bytes, wanted: bytes) -> None:
    for pieces in _cuts(content):
        assert _whole(without_separator(iter(pieces))) == wanted


# --- the door over a fake inside --------------------------------------------------------------------------------------


class Inside:
    """Knows info@ and small@ (100 octets); keeps what it is given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stored: list[tuple[Envelope, Raw]] = []
        self.full = False

    def room(self, size: int) -> Answer | None:
        return Answer(Reason.DISK_FULL) if self.full else None

    def spool(self) -> Spool:
        return Spool(self.folder, 1000)

    def recipient(self, address: str, size: int | None = None) -> Answer:
        if address not in {INFO, SMALL}:
            return Answer(Reason.NO_SUCH_RECIPIENT, {"address": address})
        if address == SMALL and size is not None and size > 100:
            return Answer(Reason.TOO_LARGE, {"size": size, "limit": 100})
        return Answer(Reason.RECIPIENT_OK)

    def accept(self, envelope: Envelope, raw: Raw) -> list[Answer]:
        self.stored.append((envelope, raw))
        return [Answer(Reason.ACCEPTED, {"ref": "R"})] * len(envelope.recipients)


@pytest.fixture
def inside(tmp_path: Path) -> Inside:
    return Inside(tmp_path)


def deliver(inside: Inside, content: bytes, *recipients: str, max_size: int = 10_000) -> int:
    said = Piped(
        sender="a@x.example",
        recipients=recipients or (INFO,),
        at=system_clock(),
        max_size=max_size,
    )
    return exit_status(take(inside, io.BytesIO(content), said))


def test_D2_a_mail_is_taken_for_all_its_recipients(inside: Inside) -> None:
    assert deliver(inside, MAIL, INFO, SMALL) == 0
    [(envelope, raw)] = inside.stored
    assert raw.inline == AS_STORED
    assert (envelope.door.value, envelope.peer) == ("pipe", "local")
    assert envelope.recipients == (INFO, SMALL)


@pytest.mark.parametrize(
    ("content", "recipients", "status"),
    [
        (MAIL, (INFO, "no@acme.example"), 67),
        (MAIL, ("not an address",), 67),
        (b"", (INFO,), 65),
        (b"From a@b Mon\n", (INFO,), 65),
        (MAIL + b"x" * 200, (INFO, SMALL), 65),
        (MAIL + b"x" * 20_000, (INFO,), 65),
    ],
)
def test_D2_what_cannot_go_to_all_is_stored_for_nobody(
    inside: Inside, content: bytes, recipients: tuple[str, ...], status: int
) -> None:
    assert deliver(inside, content, *recipients) == status
    assert inside.stored == []
    assert list(inside.folder.iterdir()) == []


def test_D2_a_full_disk_is_temporary(inside: Inside) -> None:
    inside.full = True
    assert deliver(inside, MAIL) == 75


def test_D2_temporary_comes_before_final() -> None:
    answers = [Answer(Reason.NO_SUCH_RECIPIENT), Answer(Reason.STORE_DOWN)]
    assert exit_status(answers) == 75


# --- the command line -------------------------------------------------------------------------------------------------


def test_an_address_may_begin_with_a_dash() -> None:
    call = parse(["--sender", "-odd@x.example", "--recipient", "-a@b.example", "c@d.example"])
    assert call.sender == "-odd@x.example"
    assert call.recipients == ["-a@b.example", "c@d.example"]


def test_a_sender_may_be_empty() -> None:
    assert parse(["--sender", "", "--recipient", INFO]).sender == ""


@pytest.mark.parametrize(
    "arguments", [[], ["--sender"], ["--recipient"], ["--frob"], [INFO], ["--config"]]
)
def test_D2_wrong_usage_is_64(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError):
        parse(arguments)
    assert main(arguments) == 64
    assert "--recipient" in capsys.readouterr().err


# --- the real thing ---------------------------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path: Path) -> Installation:
    from maild.config import load
    from maild.core.app import open_app

    made = Installation(tmp_path)
    made.make()
    app = open_app(load(made.config, {}))
    a_company(app)
    app.store.close()
    return made


def _rows(place: Installation, table: str) -> int:
    with sqlite3.connect(place.folder / "maild.db") as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def _piped(place: Installation, *arguments: str, data: bytes = MAIL) -> tuple[int, str]:
    done = place.run("deliver", *arguments, data=data)
    said = done.stderr.decode()
    assert "Traceback" not in said
    return done.returncode, said


def test_D1_exit_0_means_that_the_mail_is_stored(place: Installation) -> None:
    done = place.run(
        "deliver", "--sender", "a@x", "--json", "--recipient", INFO, data=b"From x y\n" + MAIL
    )
    [delivery] = json.loads(done.stdout)["deliveries"]
    assert (done.returncode, delivery["recipient"]) == (0, INFO)
    shown = place.run("mail", "show", delivery["id"], "--raw")
    assert shown.stdout == AS_STORED


def test_D6_the_same_mail_again_is_answered_and_not_stored(place: Installation) -> None:
    for _ in range(2):
        assert _piped(place, "--recipient", INFO) == (0, "")
    assert _rows(place, "deliveries") == 1


def test_D2_nothing_is_stored_when_one_recipient_is_unknown(place: Installation) -> None:
    status, said = _piped(place, "--recipient", INFO, "no@acme.example")
    assert (status, "no@acme.example" in said) == (67, True)
    assert _rows(place, "deliveries") == 0


def test_D2_a_limit_of_one_inbox_is_65_for_all(place: Installation) -> None:
    status, _ = _piped(place, "--recipient", INFO, SMALL, data=MAIL + b"x" * 2000)
    assert status == 65
    assert _rows(place, "messages") == 0


def test_D2_large_and_odd_bytes_are_stored_as_they_are(place: Installation) -> None:
    odd = MAIL + b"\x00\xff\rx\n" * 20_000
    assert _piped(place, "--recipient", INFO, data=odd) == (0, "")
    [mail] = place.cli("mail", "list")
    raw = place.run("mail", "show", mail["id"], "--raw").stdout
    assert raw == odd.replace(b"\n", b"\r\n")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ((), 64),
        (("--recipient", INFO, "--config", "/nowhere/maild.toml"), 75),
        (("--recipient", "\x1b[31m" * 1000), 67),
        (("--recipient", INFO, "--sender", "x" * 100_000), 0),
        (("--recipient", INFO, "--sender", "\udcff\x1b"), 0),
    ],
)
def test_D2_hostile_values_get_a_sentence_and_a_sysexit(
    place: Installation, arguments: tuple[str, ...], status: int
) -> None:
    assert _piped(place, *arguments)[0] == status


def test_D2_a_closed_stdin_is_no_mail(place: Installation) -> None:
    command = f"exec python -m maild deliver --config {place.config} --recipient {INFO} <&-"
    import sys

    command = command.replace("python", sys.executable, 1)
    done = subprocess.run(["sh", "-c", command], capture_output=True, check=False)
    assert done.returncode == 65
    assert _rows(place, "messages") == 0


@pytest.mark.slow
def test_D2_a_locked_store_is_temporary(place: Installation) -> None:
    holder = sqlite3.connect(place.folder / "maild.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        assert _piped(place, "--recipient", INFO)[0] == 75
    finally:
        holder.close()


def test_D2_a_store_without_its_schema_is_temporary(place: Installation) -> None:
    (place.folder / "maild.db").unlink()
    status, said = _piped(place, "--recipient", INFO)
    assert (status, "db upgrade" in said) == (75, True)


def test_D2_a_full_disk_of_the_store_is_temporary(place: Installation) -> None:
    text = place.config.read_text().replace('reserve = "0B"', 'reserve = "1000TiB"')
    place.config.write_text(text)
    assert _piped(place, "--recipient", INFO)[0] == 75
