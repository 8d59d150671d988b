import pytest

from lineside.store import Store
from lineside.trust import Scope, local_scope


@pytest.fixture
def scope(store: Store) -> Scope:
    """The owner at this machine, in a fresh workspace."""
    return local_scope(store)
