"""The demo's company: five users, two inboxes, six clients."""

from __future__ import annotations

from maild.testing.installation import Installation, InstallationError

_USERS = """\
email,name,role
lea@acme.example,Lea Brandt,distributor
eva@acme.example,Eva Moser,member
jan@acme.example,Jan Novak,member
anna@acme.example,Anna Huber,member
tom@acme.example,Tom Weiss,member
"""

_CLIENTS = """\
name,contacts,domains
Rossi Bau,anna@rossi.example,rossi.example
Dupont SARL,marc.dupont@dupont.example,
Nordwind Logistik,,nordwind.example
Casa Verde,info@casaverde.example,
Alfa,buchhaltung@gemeinsam.example,
Beta,buchhaltung@gemeinsam.example,
"""


def a_demo_company(place: Installation) -> None:
    """Fill a fresh installation by the command line, as an admin would."""
    place.cli("account", "add", "acme", "Acme")
    for noun, rows in (("user", _USERS), ("client", _CLIENTS)):
        file = place.folder / f"{noun}s.csv"
        file.write_text(rows, encoding="utf-8")
        done = place.run(noun, "import", str(file))
        if done.returncode:
            raise InstallationError(done.stderr.decode())
    place.cli("address", "add", "tom@acme.example", "thomas.weiss@acme.example", "--confirm")
    for local, kind in (("crm", "forward"), ("info", "shared")):
        place.cli(
            "inbox", "add", f"{local}@acme.example", "--kind", kind, "--owner", "lea@acme.example"
        )
