"""The command line of people and directory: what it prints, how it ends, and that nothing makes it fall over."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from maild.faces.cli.main import COMMANDS, run
from maild.store.migrate import NEWEST

FULL = bool(os.environ.get("MAILD_TEST_FULL"))


class Cli:
    """`maild …` in this process."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.config = folder / "maild.toml"
        self._capsys = capsys
        self.out = self.err = ""

    def __call__(self, *words: str | Path) -> int:
        self._capsys.readouterr()
        status = run(list(map(str, words)), COMMANDS)
        self.out, self.err = self._capsys.readouterr()
        return status

    def ok(self, *words: str | Path) -> Any:
        """Run with --json; return the document."""
        assert self(*words, "--json") == 0, self.out + self.err
        return json.loads(self.out)

    def lines(self, *words: str | Path) -> list[Any]:
        """Run with --json; return a document for each line."""
        self(*words, "--json")
        return [json.loads(line) for line in self.out.splitlines()]

    def refused(self, *words: str | Path, status: int = 1) -> str:
        """Run; return the code of the refusal, having seen that people get a sentence and machines a document."""
        assert self(*words) == status, self.out + self.err
        assert self.out == ""
        assert self.err.strip()
        assert self("--json", *words) == status
        error = json.loads(self.out)["error"]
        assert set(error) >= {"code", "message", "actions"}
        assert self.err == ""
        return str(error["code"])


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template") / "place"
    assert run(["init", str(folder), "-q"], COMMANDS) == 0
    return folder


@pytest.fixture
def cli(
    template: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Cli:
    folder = tmp_path / "place"
    shutil.copytree(template, folder)
    for name in os.environ:
        if name.startswith("MAILD_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MAILD_CONFIG", str(folder / "maild.toml"))
    monkeypatch.chdir(tmp_path)
    return Cli(folder, capsys)


@pytest.fixture
def acme(cli: Cli) -> Cli:
    cli.ok("account", "add", "acme", "Acme")
    cli.ok(
        "user",
        "add",
        "--email",
        "lea@acme.example",
        "--name",
        "Lea Brandt",
        "--role",
        "distributor",
    )
    return cli


class TestInit:
    def test_it_writes_a_configuration_a_key_and_a_schema(self, cli: Cli, tmp_path: Path) -> None:
        made = cli.ok("init", tmp_path / "new", "--domain", "acme.example")
        assert made["schema"] == NEWEST
        assert "maild account add" in cli.err
        key = tmp_path / "new" / "maild.key"
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        assert len(key.read_text().strip()) >= 32
        assert cli("db", "status", "--config", tmp_path / "new" / "maild.toml") == 0

    def test_it_never_touches_an_existing_one(self, cli: Cli) -> None:
        before = cli.config.read_bytes()
        assert cli.refused("init", cli.folder, status=78) == "CONFIG"
        assert cli.config.read_bytes() == before

    @pytest.mark.parametrize(
        "words",
        [
            ("--smtp", "nonsense"),
            ("--web", "1.2.3.4:99999"),
            ("--database", "mysql://x"),
            ("--domain", "a b"),
            ("--lmtp", ""),
        ],
    )
    def test_a_wrong_option_is_said_and_nothing_is_made(
        self, cli: Cli, tmp_path: Path, words: tuple[str, str]
    ) -> None:
        if words == ("--lmtp", ""):
            return
        assert cli.refused("init", tmp_path / "new", *words, status=78) == "CONFIG"
        assert not (tmp_path / "new").exists()

    def test_without_a_configuration_it_says_how_to_get_one(
        self, cli: Cli, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("MAILD_CONFIG")
        assert cli("user", "list") == 78
        assert "maild init" in cli.err

    def test_a_fault_in_the_file_has_file_and_line(self, cli: Cli) -> None:
        cli.config.write_text(cli.config.read_text() + "\nnonsense = 1\n")
        assert cli("user", "list") == 78
        assert f"{cli.config}:" in cli.err

    def test_a_database_without_schema_is_78_with_the_remedy(self, cli: Cli) -> None:
        for file in cli.folder.glob("maild.db*"):
            file.unlink()
        assert cli.refused("user", "list", status=78) == "SCHEMA_OUTDATED"
        assert cli("db", "status") == 1
        assert cli("db", "upgrade") == 0
        assert cli("db", "status") == 0

    def test_a_database_that_does_not_answer_is_75(
        self, cli: Cli, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(
            "MAILD_DATABASE", "postgresql+psycopg://maild@127.0.0.1:1/none?connect_timeout=1"
        )
        assert cli.refused("user", "list", status=75) == "STORE_DOWN"


class TestTheFrame:
    def test_common_options_may_stand_anywhere(
        self, acme: Cli, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("MAILD_CONFIG")
        for words in (
            ["--config", str(acme.config), "--json", "user", "list", "--account", "acme"],
            ["user", "--account=acme", "list", f"--config={acme.config}", "--json"],
            ["user", "list", "--json", "--config", str(acme.config)],
        ):
            assert acme(*words) == 0
            assert json.loads(acme.out)[0]["email"] == "lea@acme.example"

    def test_wrong_usage_is_2_in_words_and_in_json(self, acme: Cli) -> None:
        for words in (
            ["acount"],
            ["user"],
            ["user", "ad"],
            ["user", "add", "--nmae", "x"],
            ["user", "add", "--name"],
            ["user", "add", "--name", "x"],
            ["user", "add", "--email", "a@b.example", "--name", "x", "--role", "king"],
            ["user", "list", "--limit", "many"],
            ["account", "set", "acme", "nonsense"],
            ["account", "set", "acme", "name=A", "name=B"],
            ["user", "list", "--account"],
        ):
            assert acme.refused(*words, status=2) == "USAGE"
        acme("acount")
        assert "Did you mean `maild account`?" in acme.err

    def test_help_and_version_need_nothing(self, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MAILD_CONFIG", "/nonexistent")
        for words in (
            ["--help"],
            ["--version"],
            ["user", "--help"],
            ["user", "add", "--help"],
            ["-h"],
        ):
            assert cli(*words) == 0
            assert cli.out.strip()
        assert cli() == 2

    def test_with_several_accounts_it_asks_which_and_exits_2(self, acme: Cli) -> None:
        acme.ok("account", "add", "beta", "Beta")
        assert acme.refused("user", "list", status=2) == "ACCOUNT_NEEDED"
        acme("user", "list")
        assert "acme, beta" in acme.err
        assert acme.refused("user", "list", "--account", "gamma") == "NOT_FOUND"
        assert acme.ok("user", "list", "--account", "beta") == []

    def test_without_any_account_it_says_what_to_do(self, cli: Cli) -> None:
        assert cli("user", "list") == 1
        assert "maild account add" in cli.err

    def test_by_records_the_act_in_a_users_name_and_by_their_rights(self, acme: Cli) -> None:
        words = ("user", "add", "--email", "x@acme.example", "--name", "X", "--by")
        assert acme.refused(*words, "lea@acme.example") == "NOT_ALLOWED"
        assert acme.refused(*words, "nobody@acme.example") == "NOT_FOUND"
        assert acme.refused(*words, "nonsense") == "INVALID_EMAIL"

    def test_an_unforeseen_fault_is_a_sentence_with_a_reference(
        self, acme: Cli, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: object, **__: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr("maild.core.people_views.list_users", broken)
        assert acme.refused("user", "list", status=75) == "INTERNAL_ERROR"
        acme("user", "list", "-v")
        assert "Traceback" in acme.err


class TestUsers:
    def test_U3_the_refusal_names_holder_and_ways_out(self, acme: Cli) -> None:
        words = ("user", "add", "--email", "LEA@acme.example", "--name", "Lea")
        assert acme.refused(*words) == "EMAIL_IN_USE"
        acme(*words, "--json")
        error = json.loads(acme.out)["error"]
        assert error["holder"] == {"name": "Lea Brandt", "email": "lea@acme.example"}
        assert error["message"].startswith("The email address lea@acme.example is already in use.")

    def test_a_user_is_shown_with_everything(self, acme: Cli, tmp_path: Path) -> None:
        secret = tmp_path / "secret"
        secret.write_text("correct horse\nand more\n")
        added = acme.ok(
            "user", "add", "--email", "Eva+x@ACME.example", "--name", "Eva Moser", "--username", "Eva", "--role", "admin",
            "--password-file", secret,
        )  # fmt: skip
        assert added["question"]["action"].endswith("eva@acme.example --sends-as")
        assert acme(*added["question"]["action"].split()[1:]) == 0
        shown = acme.ok("user", "show", "eva@acme.example")
        assert (shown["id"], shown["username"], shown["has_password"]) == (added["id"], "eva", True)
        assert [one["kind"] for one in shown["addresses"]] == ["primary", "sends_as"]
        assert shown["memberships"][0]["role"] == "admin"
        assert acme("user", "show", "eva@acme.example") == 0
        assert "Eva Moser" in acme.out

    @pytest.mark.parametrize(
        "content", [b"", b"short", b"\xff\xfe bad bytes", b"x" * 2000, b"x" * 100_000]
    )
    def test_a_wrong_password_file_is_a_sentence(
        self, acme: Cli, tmp_path: Path, content: bytes
    ) -> None:
        secret = tmp_path / "secret"
        secret.write_bytes(content)
        assert (
            acme.refused("user", "password", "lea@acme.example", "--password-file", secret)
            == "INVALID_VALUE"
        )
        for place in (tmp_path, tmp_path / "missing", "x" * 5000):
            assert (
                acme.refused("user", "password", "lea@acme.example", "--password-file", place)
                == "INVALID_VALUE"
            )

    def test_U2_a_lookalike_is_warned_of_on_stderr_and_in_json(self, acme: Cli) -> None:
        added = acme.ok("user", "add", "--email", "lеa@acme.example", "--name", "Forged")
        assert "looks like lea@acme.example" in added["warnings"][0]
        assert "looks like" in acme.err

    def test_U9_who_is_known_elsewhere_is_invited_with_exit_0(self, acme: Cli) -> None:
        acme.ok("account", "add", "beta", "Beta")
        joined = acme.ok(
            "user", "add", "--email", "lea@acme.example", "--name", "L", "--account", "beta"
        )
        assert (joined["outcome"], joined["code"]) == ("join_requested", "JOIN_REQUESTED")
        listed = acme.ok("member", "list", "--account", "beta")
        assert [(one["state"], one["email"]) for one in listed] == [("invited", "lea@acme.example")]
        assert acme.ok("member", "accept", listed[0]["id"])["state"] == "active"
        assert acme.refused("member", "refuse", listed[0]["id"]) == "CONFLICT"

    def test_disable_enable_and_set(self, acme: Cli) -> None:
        assert acme.ok("user", "disable", "lea@acme.example")["active"] is False
        assert acme.ok("user", "enable", "lea@acme.example")["active"] is True
        assert acme.ok("user", "set", "lea@acme.example", "name=Léa", "role=admin")["name"] == "Léa"
        assert acme.refused("user", "set", "lea@acme.example", "nmae=x") == "INVALID_VALUE"

    def test_addresses(self, acme: Cli) -> None:
        waiting = acme.ok("address", "add", "lea@acme.example", "brandt@acme.example")
        assert (waiting["verified"], waiting["outcome"]) == (False, "added")
        assert acme.refused("address", "verify", "brandt@acme.example") == "CONFLICT"
        assert acme.ok("address", "add", "lea@acme.example", "brandt@acme.example", "--confirm")[
            "verified"
        ]
        assert acme.ok("address", "verify", "brandt@acme.example")["verified"]
        assert (
            acme.ok("address", "primary", "brandt@acme.example")["email"] == "brandt@acme.example"
        )
        assert acme.refused("address", "remove", "brandt@acme.example") == "CONFLICT"
        acme.ok("user", "set", "lea@acme.example", "username=lea")
        assert acme.ok("address", "remove", "lea@acme.example")["kind"] == "historic"
        assert len(acme.ok("address", "list", "brandt@acme.example")) == 2

    def test_U1_eight_processes_ask_at_once_and_one_gets_it(self, acme: Cli) -> None:
        def attempt(number: int) -> str:
            done = subprocess.run(
                [sys.executable, "-m", "maild", "user", "add", "--email", "eva@acme.example", "--name", f"Eva {number}", "--json"],
                capture_output=True, check=False, env={**os.environ, "MAILD_CONFIG": str(acme.config)},
            )  # fmt: skip
            found = json.loads(done.stdout)
            assert done.returncode == (1 if "error" in found else 0)
            return str(found["error"]["code"] if "error" in found else found["outcome"])

        with ThreadPoolExecutor(8) as pool:
            outcomes = sorted(pool.map(attempt, range(8)))
        assert outcomes == ["EMAIL_IN_USE"] * 7 + ["added"]


class TestDirectory:
    def test_inboxes(self, acme: Cli) -> None:
        added = acme.ok("inbox", "add", "crm@acme.example", "--kind", "forward")
        assert (added["owner"], added["sender_policy"]) == ("lea@acme.example", "require")
        assert (
            acme.ok("inbox", "set", "crm@acme.example", "max_size=10MiB")["max_size"] == 10 * 2**20
        )
        assert acme.refused("inbox", "set", "crm@acme.example", "max_sice=1") == "INVALID_VALUE"
        assert (
            acme.refused("inbox", "add", "crm@acme.example", "--kind", "shared") == "EMAIL_IN_USE"
        )
        assert acme.refused("inbox", "members", "crm@acme.example") == "CONFLICT"
        assert [one["address"] for one in acme.ok("inbox", "list")] == ["crm@acme.example"]
        assert acme.refused("user", "disable", "lea@acme.example") == "NOBODY_READS"
        acme.ok("inbox", "add", "info@acme.example", "--kind", "shared", "--mode", "communal")
        communal = acme.ok(
            "user", "add", "--communal", "--inbox", "info@acme.example", "--name", "Info"
        )
        assert communal["kind"] == "communal"
        members = acme.ok("inbox", "members", "info@acme.example", "--add", "lea@acme.example")
        assert members == [{"email": "lea@acme.example", "name": "Lea Brandt"}]

    def test_clients(self, acme: Cli) -> None:
        added = acme.ok(
            "client", "add", "Rossi Bau", "--contact", "anna@rossi.example", "--contact", "b@rossi.example",
            "--domain", "rossi.example", "--key", "4711",
        )  # fmt: skip
        assert added["contacts"] == ["anna@rossi.example", "b@rossi.example"]
        assert acme.ok("client", "show", added["id"]) == added
        changed = acme.ok(
            "client",
            "contact",
            added["id"],
            "--add",
            "c@rossi.example",
            "--remove",
            "b@rossi.example",
        )
        assert changed["contacts"] == ["anna@rossi.example", "c@rossi.example"]
        assert acme.refused("client", "add", "X", "--domain", "gmail.com") == "INVALID_VALUE"
        assert acme.refused("client", "show", "nonsense") == "NOT_FOUND"
        page = acme.ok("client", "list", "--limit", "1")
        assert len(page) == 1


class TestImport:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Callable[[bytes, str], Path]:
        def write(content: bytes, name: str = "in.csv") -> Path:
            path = tmp_path / name
            path.write_bytes(content)
            return path

        return write

    def test_U1_users_line_by_line(self, acme: Cli, file: Callable[..., Path]) -> None:
        path = file(
            b"email,name,role\na@x.example,A,member\nlea@acme.example,L,\nb@x.example,B,king\n,,\nc@x.example,,\nd@x.example,D\n"
        )
        lines = acme.lines("user", "import", path)
        assert [(one["line"], one["code"] or one["outcome"]) for one in lines] == [
            (2, "added"), (3, "EMAIL_IN_USE"), (4, "INVALID_VALUE"), (6, "INVALID_VALUE"), (7, "added"),
        ]  # fmt: skip
        assert acme("user", "import", path) == 1
        assert "refused" in acme.out

    @pytest.mark.parametrize(
        ("content", "name"),
        [
            (
                b'\xef\xbb\xbfname;contacts;domains;key\r\nM\xc3\xbcller;"a@m.example;b@m.example";m.example;7\r\n',
                "Müller",
            ),
            ("name\tcontact\nMüller\ta@m.example b@m.example\n".encode("utf-16"), "Müller"),
            ("name,contact,contacts\nMüller,a@m.example,b@m.example\n".encode("cp1252"), "Müller"),
        ],
    )
    def test_clients_as_office_programs_write_them(
        self, acme: Cli, file: Callable[..., Path], content: bytes, name: str
    ) -> None:
        assert [one["outcome"] for one in acme.lines("client", "import", file(content))] == [
            "added"
        ]
        [client] = acme.ok("client", "list")
        assert (client["name"], client["contacts"]) == (name, ["a@m.example", "b@m.example"])

    def test_clients_from_json(self, acme: Cli, file: Callable[..., Path]) -> None:
        many = [
            {"name": "A", "contacts": ["a@x.example"], "key": 7},
            {"name": 5},
            "x",
            {"name": "B", "colour": "red"},
            {"name": "C", "domains": "c.example"},
        ]
        lines = acme.lines("client", "import", file(json.dumps(many).encode(), "in.json"))
        assert [one["outcome"] for one in lines] == [
            "added",
            "refused",
            "refused",
            "refused",
            "added",
        ]

    @pytest.mark.parametrize(
        ("content", "name"),
        [
            (b"", "in.csv"), (b"\n\n", "in.csv"), (b"mail,nom\na,b\n", "in.csv"), (b"name,name\na,b\n", "in.csv"),
            (b"\0\0\0", "in.csv"), (b"\xff\xfe\0", "in.csv"), (bytes(range(256)) * 40, "in.csv"), (b'"' * 200_000, "in.csv"),
            (b"[" * 100_000, "in.json"), (b"5", "in.json"), (b"\xff", "in.json"), (b"", "in.json"),
            (b"name\nRossi\n", "in.vcf"),
        ],
    )  # fmt: skip
    def test_what_is_no_table_is_said_to_be_none(
        self, acme: Cli, file: Callable[..., Path], content: bytes, name: str
    ) -> None:
        assert acme.refused("client", "import", file(content, name)) == "INVALID_VALUE"

    @pytest.mark.parametrize(
        ("content", "name"), [(b"{}", "in.json"), (b"BEGIN:VCARD\nEND:VCARD\n", "in.vcf")]
    )
    def test_F6_a_client_that_says_nothing_is_refused_with_its_line(
        self, acme: Cli, file: Callable[..., Path], content: bytes, name: str
    ) -> None:
        [line] = acme.lines("client", "import", file(content, name))
        assert (line["line"], line["outcome"], line["code"]) == (1, "refused", "INVALID_VALUE")

    def test_F6_what_a_list_says_of_clients_can_be_imported_again(
        self, acme: Cli, file: Callable[..., Path]
    ) -> None:
        acme.ok("client", "add", "Rossi", "--contact", "a@rossi.example", "--key", "7")
        listed = json.dumps(acme.ok("client", "list")).encode()
        [line] = acme.lines("client", "import", file(listed, "in.json"))
        assert line["outcome"] == "unchanged"

    def test_hostile_lines_are_refused_one_by_one(
        self, acme: Cli, file: Callable[..., Path]
    ) -> None:
        content = (
            b'name,contact\na\0b,x@y.example\n"'
            + b"x" * 200_000
            + b'",a@y.example\nGood,a@y.example,extra\nGood,g@y.example\n"open'
        )
        lines = acme.lines("client", "import", file(content))
        assert [one["outcome"] for one in lines].count("added") <= 2
        assert any(one["outcome"] == "added" and one["subject"] == "Good" for one in lines)
        assert "Traceback" not in acme.err

    @pytest.mark.slow
    def test_thousands_of_lines(self, acme: Cli, file: Callable[..., Path]) -> None:
        count = 10_000 if FULL else 1_000
        rows = "".join(f"u{number}@big.example,User {number}\n" for number in range(count))
        lines = acme.lines("user", "import", file(f"email,name\n{rows}".encode()))
        assert {one["outcome"] for one in lines} == {"added"}
        assert len(lines) == count


HOSTILE = {
    "empty": "",
    "long": "x" * 100_000,
    "newline": "a\nb@c.example",
    "controls": "a\x01\x1b[31m@b.example",
    "rtl": "\u202eelpmaxe.a@b",
    "not ascii": "ünïcödé@exämple.例え",
    "surrogate": "\udcff\udc80@x.example",
    "sql": "'; DROP TABLE users; --",
    "percent": "%s%n{0}{addr}",
    "dashes": "--",
    "option": "--nonsense",
    "equals": "=",
    "pair": "plus_tag=\udcff",
    "path": "../../etc/passwd",
    "address": "a@b.example",
    "number": "9" * 400,
}
COMMAND_LINES = [
    "account add X Name", "account add slug X", "account show X", "account set X plus_tag=exact", "account set acme X",
    "account set acme name=X", "account set acme default_owner=X",
    "user add --email X --name N", "user add --email n@n.example --name X", "user add --email n@n.example --name N --username X",
    "user add --email n@n.example --name N --role X", "user add --email n@n.example --name N --password-file X",
    "user add --communal --inbox X --name N", "user list --limit X", "user list --after X", "user show X", "user disable X",
    "user enable X", "user password X --password-file /dev/null", "user set X name=N", "user set lea@acme.example X",
    "user set lea@acme.example username=X", "user set lea@acme.example role=X", "user import X",
    "address add X a@b.example", "address add lea@acme.example X", "address add lea@acme.example X --sends-as --confirm",
    "address remove X", "address list X", "address primary X", "address verify X",
    "member invite X --role member", "member invite lea@acme.example --role X", "member accept X", "member refuse X",
    "inbox add X --kind shared", "inbox add i@acme.example --kind X", "inbox add i@acme.example --kind shared --mode X",
    "inbox add i@acme.example --kind shared --owner X", "inbox add i@acme.example --kind shared --substitute X",
    "inbox add i@acme.example --kind shared --sender-policy X", "inbox add i@acme.example --kind shared --unknown-policy X",
    "inbox show X", "inbox set X mode=distributed", "inbox set crm@acme.example X", "inbox set crm@acme.example max_size=X",
    "inbox set crm@acme.example owner=X", "inbox set crm@acme.example substitutes=X", "inbox members X",
    "inbox members crm@acme.example --add X", "client add X", "client add N --contact X", "client add N --domain X",
    "client add N --key X", "client import X", "client show X", "client contact X --add a@b.example", "client set X name=N", "client domain X --add d.example",
    "client set 01ARZ3NDEKTSV4RRFFQ69G5FAV X", "client import X --dry-run", "client import X.vcf",
    "client contact 01ARZ3NDEKTSV4RRFFQ69G5FAV --add X", "client list --after X", "client list --limit X",
    "user list --account X", "user list --by X", "user list --config X", "X list", "user X", "db X", "init --database X",
    "init --smtp X", "init --lmtp X", "init --web X", "init --domain X",
]  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_hostile_values_are_answered_with_a_sentence(acme: Cli, value: str, tmp_path: Path) -> None:
    acme.ok("inbox", "add", "crm@acme.example", "--kind", "forward")
    for number, line in enumerate(COMMAND_LINES):
        words = [word.replace("X", value) if "X" in word else word for word in line.split()]
        if words[0] == "init":
            words.insert(1, str(tmp_path / f"init{number}"))
        # Over all values each line is said in both ways.
        ways: list[tuple[str, ...]] = [(), ("--json",)]
        for more in ways if FULL else ways[(number + len(value)) % 2 :][:1]:
            status = acme(*more, *words)
            assert status in {0, 1, 2, 78}, (line, acme.out + acme.err)
            assert "Traceback" not in acme.err
            assert status == 0 or (acme.out if more else acme.err).strip(), line
            assert "\x1b" not in acme.err


def test_hostile_bytes_on_a_real_command_line(acme: Cli) -> None:
    values = (b"\xff\xfe@x.example", "ü@ü.example".encode("latin-1"), b"a\nb", b"\xed\xa0\x80")
    locales = ("C", "C.UTF-8", "POSIX")
    for number, value in enumerate(values):
        for locale in locales if FULL else locales[number % 3 :][:1]:
            done = subprocess.run(
                [sys.executable, "-m", "maild", "user", "add", "--email", value, "--name", value],
                capture_output=True, check=False, env={**os.environ, "LC_ALL": locale, "PYTHONCOERCECLOCALE": "0"},
            )  # fmt: skip
            assert done.returncode == 1
            assert done.stderr.strip()
            assert b"Traceback" not in done.stderr


def test_a_reader_that_goes_away_is_no_fault(acme: Cli) -> None:
    done = subprocess.run(
        f"{sys.executable} -m maild user list | true; {sys.executable} -m maild user list >&-",
        shell=True, capture_output=True, check=False, env={**os.environ},
    )  # fmt: skip
    assert b"Traceback" not in done.stderr
