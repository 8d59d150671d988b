from collections.abc import Iterator

import pytest

from lineside.apps import open_line
from lineside.core import Settings
from lineside.trust import Scope, local_scope


@pytest.fixture
def scope(settings: Settings) -> Iterator[Scope]:
    """The owner at work in a fresh installation with the whole line in place."""
    store = open_line(settings)
    yield local_scope(store)
    store.close()
