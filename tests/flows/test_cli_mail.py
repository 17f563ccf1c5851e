"""`maild mail …` and `maild explain`, as an operator and as a machine see them (M1-M5, E1, D11, interface)."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from maild.config import load
from maild.core.app import open_app
from maild.core.handing import hand_over
from maild.faces.cli.main import COMMANDS, run
from maild.testing.installation import Installation
from tests.core.company import Post, a_company

LEA, EVA, JAN = "lea@acme.example", "eva@acme.example", "jan@acme.example"


class Line:
    """The command line of one installation, in this process."""

    def __init__(self, place: Installation, out: pytest.CaptureFixture[bytes]) -> None:
        self.place = place
        self.out = out
        self.app = open_app(load(place.config, {}))
        a_company(self.app)
        self.post = Post(self.app)

    def __call__(self, *words: str) -> tuple[int, bytes, str]:
        """Return status, stdout and stderr."""
        self.out.readouterr()
        status = run(["--config", str(self.place.config), *words], COMMANDS)
        said = self.out.readouterr()
        return status, said.out, said.err.decode()

    def json(self, *words: str, status: int = 0) -> Any:
        found, out, err = self(*words, "--json")
        assert found == status, err + out.decode()
        return json.loads(out)

    def error(self, *words: str, status: int = 1) -> str:
        """Return the code of a refusal, which is also said in one sentence to people."""
        found, out, err = self(*words)
        assert (found, out) == (status, b"")
        assert err.strip()
        assert "Traceback" not in err
        code = self.json(*words, status=status)["error"]["code"]
        return str(code)

    def a_mail(self, *args: Any, **more: Any) -> str:
        to = more.pop("to", "info@acme.example")
        [answer] = self.post.send(self.post.mail(*args, to=to, **more), to)
        self.post.decide()
        return str(answer.facts["ref"])


@pytest.fixture
def maild(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> Any:
    place = Installation(tmp_path)
    place.make()
    line = Line(place, capsysbinary)
    yield line
    line.app.store.close()


def test_a_list_is_one_array_and_its_last_id_begins_the_next_page(maild: Line) -> None:
    ids = [maild.a_mail() for _ in range(3)]
    first = maild.json("mail", "list", "--limit", "2")
    second = maild.json("mail", "list", "--limit", "2", "--after", first[-1]["id"])
    assert [mail["id"] for mail in (*first, *second)] == ids[::-1]
    assert len(second) == 1


def test_a_list_for_people_cannot_steer_the_terminal(maild: Line) -> None:
    maild.a_mail("\x1b]0;owned\x07\u202eevil <anna@rossi.example>", body="\x1b[2J\x9b\u202eHi")
    _, out, _ = maild("mail", "list")
    assert not set(out.decode()) & {"\x1b", "\x07", "\u202e", "\x9b"}
    assert b"\x1b" not in maild("mail", "list", "--json")[1]


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        (("--state", "gone"), "received, filed"),
        (("--reason", "NONE"), "FILED_THREAD"),
        (("--limit", "0"), "1"),
        (("--limit", "many"), "integer"),
    ],
)
def test_a_word_of_a_closed_list_is_wrong_usage(
    maild: Line, words: tuple[str, ...], allowed: str
) -> None:
    status, _, said = maild("mail", "list", *words)
    assert (status, allowed in said) == (2, True)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("mail", "list", "--owner", "no@acme.example"), "NOT_FOUND"),
        (("mail", "list", "--owner", "\x1b[31m"), "INVALID_EMAIL"),
        (("mail", "list", "--status", "Nope"), "NOT_FOUND"),
        (("mail", "list", "--search", "form:x"), "SEARCH_FIELD_UNKNOWN"),
        (("mail", "show", "nope"), "NOT_FOUND"),
        (("mail", "show", "\udcff" * 50), "NOT_FOUND"),
        (("explain", "0" * 10_000), "NOT_FOUND"),
        (("mail", "history", "x"), "NOT_FOUND"),
        (("mail", "read", "x"), "NOT_FOUND"),
        (("mail", "dismiss", "x"), "NOT_FOUND"),
        (("mail", "retry", "x"), "NOT_FOUND"),
        (("mail", "undo"), "NOTHING_TO_UNDO"),
        (("mail", "undo", "\udcff"), "NOT_FOUND"),
        (("mail", "note", "x", " "), "INVALID_VALUE"),
        (("mail", "take", "x"), "NOT_ALLOWED"),
        (("mail", "give", "x", "--to", "no@acme.example"), "NOT_FOUND"),
        (("mail", "list", "--by", "no@acme.example"), "NOT_FOUND"),
    ],
)
def test_what_is_not_there_is_said_in_a_sentence_and_a_code(
    maild: Line, words: tuple[str, ...], code: str
) -> None:
    assert maild.error(*words) == code


@pytest.mark.parametrize(
    "words",
    [("mail", "retry"), ("mail", "status", "Done"), ("mail", "give", "x"), ("mail", "show")],
)
def test_an_incomplete_command_is_wrong_usage(maild: Line, words: tuple[str, ...]) -> None:
    assert maild.error(*words, status=2) == "USAGE"


def test_M2_a_given_mail_lies_unread_with_the_colleague_who_hears_why(maild: Line) -> None:
    ulid = maild.a_mail()
    done = maild.json("mail", "give", ulid, "--to", JAN, "--note", "please", "--by", LEA)
    assert done["moved"] == [ulid]
    assert maild.json("mail", "list", "--owner", LEA) == []
    [mail] = maild.json("mail", "list", "--owner", JAN, "--unread", "--by", JAN)
    assert re.fullmatch(r"Lea gave it to you, \d\d:\d\d", mail["unread_because"])
    back = maild.json("mail", "undo", done["change"])
    assert back["moved"] == [ulid]
    assert maild.json("mail", "show", ulid)["owner"] == LEA


def test_M4_all_that_a_list_shows_is_given_as_one_change(
    maild: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.getsignal(signal.SIGINT)
    some = [maild.a_mail() for _ in range(3)]
    words = ("mail", "give", "--owner", LEA, "--unread", "--to", JAN)
    assert maild.json(*words, "--dry-run") == {"found": 3, "more": False}
    monkeypatch.setattr("maild.core.giving.PORTION", 2)

    def interrupted(*given: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return hand_over(*given)

    monkeypatch.setattr("maild.core.giving.hand_over", interrupted)
    stopped = maild.json(*words, status=1)
    assert (stopped["moved"], stopped["stopped"]) == (
        some[:0:-1],
        "It was stopped after 2 of 3 mails.",
    )
    monkeypatch.undo()
    rest = maild.json(*words)
    assert (rest["moved"], rest["stopped"]) == (some[:1], None)
    assert maild.json("mail", "undo", stopped["change"])["moved"] == some[:0:-1]
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("x", "--owner", LEA),
        ("x", "--dry-run"),
        ("x", "y", "--conversation"),
        ("--owner", LEA, "--version", "1"),
    ],
)
def test_M4_giving_needs_to_know_which_mails(maild: Line, words: tuple[str, ...]) -> None:
    assert maild("mail", "give", *words, "--to", JAN)[0] == 2


def test_M14_a_conversation_is_listed_oldest_first_and_given_as_one(maild: Line) -> None:
    first = maild.a_mail(message_id="first@x")
    maild.a_mail()
    answer = maild.a_mail(more="References: <first@x>\r\n")
    assert [mail["id"] for mail in maild.json("mail", "thread", answer)] == [first, answer]
    done = maild.json("mail", "give", answer, "--conversation", "--to", JAN)
    assert set(done["moved"]) == {first, answer}
    assert len(maild.json("mail", "list", "--owner", LEA)) == 1


def test_M2_mailboxes_are_counted_and_who_opened_a_mail_is_told(maild: Line) -> None:
    ulid = maild.a_mail()
    assert maild("mail", "opened", ulid, "--by", EVA)[0] == 0
    [reader] = maild.json("mail", "readers", ulid)["readers"]
    assert (reader["name"], reader["email"]) == ("Eva", EVA)
    [leas] = maild.json("mail", "counts", "--mailboxes")["mailboxes"]
    assert (leas["owner"], leas["all"], leas["unread"]) == (LEA, 1, 1)
    assert b"1 mail, 1 unread" in maild("mail", "counts", "--owner", LEA)[1]
    [unread] = maild.json("mail", "counts", "--owner", LEA, "--unread")["mailboxes"]
    assert (unread["all"], unread["unread"]) == (None, 1)
    said = maild("mail", "counts", "--owner", LEA, "--unread")[1].decode().splitlines()
    assert said[0] == f"{LEA}  1 unread"
    assert said[1].strip() == "New  1 unread"
    assert maild.error("mail", "counts", "--unread", status=2) == "USAGE"


def test_M1_a_mail_that_somebody_moved_is_not_moved_again(maild: Line) -> None:
    ulid = maild.a_mail()
    seen = str(maild.json("mail", "show", ulid)["version"])
    assert maild("mail", "take", ulid, "--by", EVA)[0] == 0
    words = ("mail", "give", ulid, "--to", JAN, "--by", LEA, "--version", seen)
    assert maild.error(*words) == "OWNER_CHANGED"
    assert "Eva already gave this to Eva" in maild(*words)[2]


def test_M7_flag_status_and_note_are_apart(maild: Line) -> None:
    ulid = maild.a_mail()
    assert maild("mail", "read", ulid, "--by", LEA)[0] == 0
    assert maild("mail", "status", ulid, "done")[0] == 0
    assert maild("mail", "note", ulid, "called\x1b[2J her")[0] == 0
    mail = maild.json("mail", "show", ulid)
    assert (mail["unread"], mail["status"]) == (False, "Done")
    assert maild.error("mail", "unread", ulid, "--by", EVA) == "NOT_ALLOWED"
    assert b"\x1b" not in maild("mail", "history", ulid)[1]


def test_M4_a_dismissed_mail_comes_back(maild: Line) -> None:
    ulid = maild.a_mail()
    assert maild("mail", "dismiss", ulid)[0] == 0
    assert maild.json("mail", "show", ulid)["reason"] == "DISMISSED"
    assert maild("mail", "undo")[0] == 0
    assert maild.json("mail", "show", ulid)["owner"] == LEA


def test_E2_a_mail_is_filed_and_unfiled_by_hand(maild: Line) -> None:
    ulid = maild.a_mail("who@other.example")
    assert maild.json("mail", "file", ulid, "--client", "C2")["moved"] == [ulid]
    assert maild.json("mail", "show", ulid)["clients"][0]["name"] == "Dupont"
    assert maild("mail", "unfile", ulid, "--client", "C2")[0] == 0
    assert maild.json("mail", "show", ulid)["reason"] == "UNFILED_BY_HAND"
    assert maild.error("mail", "file", ulid, "--client", "nope") == "NOT_FOUND"


def test_D11_mails_are_decided_again_by_id_and_by_reason(maild: Line) -> None:
    ids = [maild.a_mail("who@other.example", to="crm@acme.example") for _ in range(2)]
    again = maild.json("mail", "retry", ids[0])
    assert [mail["reason"] for mail in again["mails"]] == ["SENDER_UNKNOWN"]
    again = maild.json("mail", "retry", "--reason", "SENDER_UNKNOWN")
    assert again["retried"] == ids


def test_D11_the_bytes_of_a_mail_are_given_exactly(maild: Line) -> None:
    raw = b"\xff\x00From: x\r\n\r\n\x1b"
    [answer] = maild.post.send(raw)
    maild.post.decide()
    _, out, _ = maild("mail", "show", str(answer.facts["ref"]), "--raw")
    assert out == raw


def test_D11_a_mail_without_text_says_so(maild: Line) -> None:
    [answer] = maild.post.send(b"\r\n\r\n")
    maild.post.decide()
    ulid = str(answer.facts["ref"])
    assert maild("mail", "show", ulid)[0] == 0
    assert maild.error("mail", "show", ulid, "--text") == "CONFLICT"


def test_the_text_alone_is_given(maild: Line) -> None:
    ulid = maild.a_mail(body="Dear\r\nall")
    assert maild("mail", "show", ulid, "--text")[1].decode().split() == ["Dear", "all"]


def test_E1_a_mail_is_explained_in_sentences_and_in_steps(maild: Line) -> None:
    ulid = maild.a_mail("who@other.example", to="crm@acme.example")
    status, out, _ = maild("explain", ulid)
    text = out.decode()
    assert status == 0
    for sentence in (
        "SENDER_UNKNOWN: No user has the address who@other.example.",
        "smtp from 192.0.2.1, <sender@world.example> to crm@acme.example",
        "What to do",
        "Decided: held, SENDER_UNKNOWN.",
    ):
        assert sentence in text
    assert maild.json("explain", ulid)["trace"][-1]["verb"] == "place"


def test_a_machine_and_a_person_find_the_same_history(maild: Line) -> None:
    ulid = maild.a_mail()
    told = maild.json("mail", "history", ulid)["history"]
    text = maild("mail", "history", ulid)[1].decode()
    assert [one["kind"] for one in told] == ["arrived", "decided"]
    assert all(one["text"] in text for one in told)


def test_everything_works_in_any_locale(maild: Line) -> None:
    maild.a_mail(body="Grüße \u202e 漢字")
    done = maild.place.run("mail", "list")
    assert done.returncode == 0
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    maild.place.environment = environment
    assert maild.place.run("mail", "list").returncode == 0


def test_M13_attachments_are_taken_out_of_a_mail(maild: Line, tmp_path: Path) -> None:
    raw = (
        b"From: anna@rossi.example\r\nTo: info@acme.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\n\r\nSee below\r\n--b\r\nContent-Type: application/x\r\n"
        b'Content-Disposition: attachment; filename="../offer.bin"\r\nContent-Transfer-Encoding: base64\r\n\r\n/wD+\r\n--b--\r\n'
    )
    [answer] = maild.post.send(raw)
    maild.post.decide()
    ulid = str(answer.facts["ref"])
    [listed] = maild.json("mail", "show", ulid)["attachments"]
    assert maild("mail", "attachment", ulid, listed["path"])[:2] == (0, b"\xff\x00\xfe")
    saved = maild.json("mail", "attachment", ulid, "2", "--out", str(tmp_path))
    assert Path(saved["file"]).parent == tmp_path
    assert Path(saved["file"]).read_bytes() == b"\xff\x00\xfe"
    assert maild.json("mail", "attachment", ulid, "--all", "--out", str(tmp_path))["size"] > 3
    assert maild.error("mail", "attachment", ulid, "9") == "NOT_FOUND"
    assert maild("mail", "attachment", ulid, "2", "--out", str(tmp_path / "no" / "x"))[0] == 1
    assert maild("mail", "attachment", ulid)[0] == 2


def test_M13_a_file_in_a_folder_never_takes_the_place_of_another(
    maild: Line, tmp_path: Path
) -> None:
    """The sender chose the name: it may be that of the installation's key."""
    raw = (
        b"From: anna@rossi.example\r\nTo: info@acme.example\r\nContent-Type: application/x\r\n"
        b'Content-Disposition: attachment; filename="maild.key"\r\n\r\nnot the key'
    )
    [answer] = maild.post.send(raw)
    maild.post.decide()
    take = ("mail", "attachment", str(answer.facts["ref"]), "1", "--out")
    folder = tmp_path / "data"
    folder.mkdir()
    key = folder / "maild.key"
    key.write_bytes(b"the key")
    assert maild.error(*take, str(folder)) == "INVALID_VALUE"
    assert key.read_bytes() == b"the key"
    key.unlink()
    key.symlink_to(tmp_path / "elsewhere")
    assert maild.error(*take, str(folder)) == "INVALID_VALUE"
    assert not (tmp_path / "elsewhere").exists()
    named = folder / "named"
    named.write_bytes(b"older")
    assert maild(*take, str(named))[0] == 0
    assert named.read_bytes() == b"not the key"
