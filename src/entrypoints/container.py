"""The wiring: which adapter stands behind which port. Only this file knows dependency-injector."""

from dependency_injector import containers, providers

from ..adapters.memory import MemoryStore
from ..adapters.sqlite import SqliteStore
from ..adapters.system import RandomIds, SystemClock
from ..application.board import Opsboard
from ..application.cardinality import DEFAULT_MAX_SERIES
from ..domain.retention import Retention
from ..domain.secret_keys import USUAL, SecretKeys
from .settings import StoreUrl


class Container(containers.DeclarativeContainer):
    """One board over one store; override a provider to replace what it gives.

    Adapters are cheap to construct and open themselves as context managers, so nothing here is a
    Resource: only the store that was chosen is ever made.
    """

    config = providers.Configuration()
    clock = providers.Singleton(SystemClock)
    ids = providers.Singleton(RandomIds)
    store = providers.Selector(
        config.engine,
        memory=providers.Singleton(MemoryStore, clock),
        sqlite=providers.Singleton(SqliteStore, config.path, clock),
    )
    board = providers.Singleton(
        Opsboard,
        store,
        clock,
        ids,
        retention=config.retention,
        max_series=config.max_series,
        secret_keys=config.secret_keys,
    )


def container_for(
    store: StoreUrl,
    retention: Retention | None = None,
    max_series: int = DEFAULT_MAX_SERIES,
    secret_keys: SecretKeys = USUAL,
) -> Container:
    """The container with the engine that a store URL names."""
    container = Container()
    container.config.from_dict(
        {
            "engine": store.engine,
            "path": store.path,
            "retention": retention,
            "max_series": max_series,
            "secret_keys": secret_keys,
        }
    )
    return container
