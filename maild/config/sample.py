"""The file with every key: its default and what it is for.  `python -m maild.config.sample` prints it (make docs)."""

from __future__ import annotations

import json
import sys

from pydantic.fields import FieldInfo

from maild.config.fields import is_table, model_in
from maild.settings import Settings

_HEAD = """\
# Every key of maild.toml with its default; written by `make docs` from maild/settings.py.
#
# The file says what the machine is; users, inboxes, clients and rules are in the database.
# Relative paths start at this file's folder.  Sizes: B, KiB, MiB, GiB, TiB.  Times: ms, s, min, h, d.
# MAILD_SECTION__KEY in the environment overrides, as MAILD_STORE__RESERVE=2GiB or MAILD_LISTENER__0__BIND=0.0.0.0:25.
"""


def sample() -> str:
    """Return the text of config/maild.toml."""
    tables = {name: leaf for name, leaf in Settings.model_fields.items() if model_in(leaf)}
    plain = {name: leaf for name, leaf in Settings.model_fields.items() if name not in tables}
    lines = [_HEAD, *_keys(plain)]
    for name, leaf in tables.items():
        model = model_in(leaf)
        if model is None:
            continue
        about = (model.__doc__ or "").partition(": ")[2]
        header = f"[{name}]" if is_table(leaf) else f"[[{name}]]"
        table = [f"{header:<40} # {about[:1].upper()}{about[1:]}", *_keys(model.model_fields)]
        # Where none is the default, one that stands there as it is would be one.
        lines += ["", *(f"# {line}" if leaf.default == [] else line for line in table)]
    return "\n".join(lines) + "\n"


def _keys(fields: dict[str, FieldInfo]) -> list[str]:
    return [
        f"{f'{name} = {json.dumps(leaf.default)}':<40} # {leaf.description}"
        for name, leaf in fields.items()
    ]


if __name__ == "__main__":
    sys.stdout.write(sample())
