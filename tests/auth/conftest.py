from __future__ import annotations

from collections.abc import Iterator

import pytest

from maild.testing.dns_server import DnsServer
from tests.auth.site import Site


@pytest.fixture
def server() -> Iterator[DnsServer]:
    with DnsServer() as server:
        yield server


@pytest.fixture
def site(server: DnsServer) -> Site:
    site = Site(server)
    site.has_key()
    return site
