"""Files of many clients: what stands in JSON where a text must be is refused with its line."""

from __future__ import annotations

import pytest

from maild.model.client_card import ClientCard
from maild.model.wrong import Wrong
from maild.parse.client_files import read_json


@pytest.mark.parametrize("key", ["true", "false", "1.5", "[]", '{"a": 1}'])
def test_F6_a_key_that_is_no_text_and_no_number_is_refused(key: str) -> None:
    [(line, found)] = read_json(f'[{{"name": "Rossi", "key": {key}}}]'.encode())
    assert line == 1
    assert isinstance(found, Wrong)
    assert found.subject == "Rossi"


@pytest.mark.parametrize(("key", "read"), [("null", None), ('"a"', "a"), ("12", "12")])
def test_F6_a_key_may_be_a_number_or_left_out(key: str, read: str | None) -> None:
    [(_, found)] = read_json(f'[{{"name": "Rossi", "key": {key}}}]'.encode())
    assert isinstance(found, ClientCard)
    assert found.key == read
