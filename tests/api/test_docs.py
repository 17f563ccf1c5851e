"""Every example of docs/api.md, as it stands there, against a running API."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from maild.testing.world import World
from tests.api.served import Served
from tests.core.company import Post

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
EXAMPLES = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
SAID = (
    '"email": "lea@acme.example"',
    '"code": "NOT_FOUND"',
    '"next": "',
    '"moved": ["',
    "",
    "204",
    '"more": false',
    "event: mail.received",
)
"""What each of them says, in their order."""


@pytest.mark.skipif(shutil.which("curl") is None, reason="the examples are curl's")
def test_every_example_does_what_it_says(acme: World, served: Served, tmp_path: Path) -> None:
    assert len(EXAMPLES) == len(SAID)
    post = Post(acme.app)
    contents = [post.mail() for _ in range(3)]
    for content in contents:
        post.send(content, "info@acme.example")
    post.decide()
    token = served.token("lea@acme.example")
    mail = served.ask("GET", "/mails", token=token).body["mails"][0]["id"]
    known = {
        **os.environ,
        "URL": f"http://{served.address[0]}:{served.address[1]}",
        "TOKEN": token,
        "MAIL": mail,
    }
    for example, said in zip(EXAMPLES, SAID, strict=True):
        done = subprocess.run(
            ["sh", "-c", example],
            check=False,
            env=known,
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert said in done.stdout, (example, done.stdout, done.stderr)
    assert (tmp_path / "mail.eml").read_bytes() in contents
