"""Where something was sent from."""

from typing import NamedTuple

SERVICE_VERSION, ENVIRONMENT = "service.version", "deployment.environment.name"
MAX_ORIGIN_LENGTH = 200


class Origin(NamedTuple):
    """A service, its version, its environment; empty where that was not said."""

    service: str
    version: str = ""
    environment: str = ""

    @property
    def attributes(self) -> dict[str, str]:
        """What an event says of it, apart from the service."""
        said = {SERVICE_VERSION: self.version, ENVIRONMENT: self.environment}
        return {name: value for name, value in said.items() if value}
