"""F6: what is wrong with a plug becomes one sentence."""

from __future__ import annotations

import pytest

from maild.plugs.contracts import Kind
from maild.plugs.loader import PlugError, load, plug_names
from tests.plugs.conftest import Install

GOOD = "class Plug(Base):\n    def changes(self, account, since): return ClientPage(cursor='1')\n"


def test_F6_a_plug_is_found_by_its_entry_point(install: Install) -> None:
    install("crm", GOOD)
    assert "crm" in plug_names(Kind.DIRECTORY)
    made = load(Kind.DIRECTORY, "crm", {"a": "b"})
    assert made.options == {"a": "b"}


def test_F6_the_directory_that_maild_brings_is_there() -> None:
    assert "file" in plug_names(Kind.DIRECTORY)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("raise RuntimeError('no library')", "cannot be imported: RuntimeError: no library"),
        ("class Other(Base): pass", "cannot be imported: AttributeError"),
        ("class Plug: pass", "keeps version None of the contract, and this maild needs 1"),
        ("class Plug(Base):\n    maild_contract = 2", "keeps version 2 of the contract"),
        ("class Plug(Base): pass", "has no method changes"),
        (
            "class Plug(Base):\n    def __init__(self, options): raise KeyError('url')",
            "does not begin: KeyError: 'url'",
        ),
    ],
)
def test_F6_a_broken_plug_is_a_sentence(install: Install, text: str, says: str) -> None:
    install("bad", text)
    with pytest.raises(PlugError) as refused:
        load(Kind.DIRECTORY, "bad", {})
    assert says in str(refused.value)
    assert "bad" in str(refused.value)


def test_F6_a_plug_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(PlugError, match=r"no plug gone of maild.directories; installed are: file"):
        load(Kind.DIRECTORY, "gone", {})


def test_F6_two_plugs_of_one_name_are_never_chosen_among(install: Install) -> None:
    install("crm", GOOD, package="one")
    install("crm", GOOD, package="two")
    with pytest.raises(PlugError, match=r"Two plugs of maild.directories are called crm"):
        load(Kind.DIRECTORY, "crm", {})


@pytest.mark.parametrize(("kind", "method"), [(Kind.NOTIFIER, "tell"), (Kind.SCREEN, "ask")])
def test_the_other_kinds_are_loaded_in_the_same_way(
    install: Install, kind: Kind, method: str
) -> None:
    install("x", f"class Plug(Base):\n    def {method}(self, *what): return None\n", kind.value)
    assert load(kind, "x", {}) is not None
    with pytest.raises(PlugError):
        load(Kind.DIRECTORY, "x", {})
