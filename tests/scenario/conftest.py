"""The running scenario, one for all its tests."""

import os
from collections.abc import Iterator

import pytest

from tests.containers import Engine
from tests.scenario.post import Post
from tests.scenario.stack import Stack, certificates
from tests.servers import Pki


@pytest.fixture(scope="session")
def stack(engine: Engine | None, pki: Pki) -> Iterator[Stack]:
    """All systems of docker/compose.yaml."""
    if engine is None:
        pytest.skip("no container engine for the scenario")
    own = Engine(prefix=f"mailldap-{os.getpid()}-stack")
    made = Stack(own, certificates(pki))
    try:
        made.up()
        yield made
    finally:
        made.down()


@pytest.fixture(scope="session")
def post(stack: Stack) -> Post:
    """Sends mail and remembers it."""
    return Post(stack)
