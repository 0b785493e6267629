"""What can go wrong, as types."""


class OpsboardError(Exception):
    """Anything that opsboard itself reports; its text is fit to be shown."""


class StoreUnavailable(OpsboardError):
    """The store could not take or give an entry just now; nothing was acknowledged."""


class DamagedReadModel(StoreUnavailable):
    """What was stored of a fold is not what was written; the journal can bring it back."""


class DamagedSetting(StoreUnavailable):
    """What was kept under a name is not what was read: it is to be chosen again."""


class StoreUnusable(OpsboardError):
    """The store can not be opened: it names the place and what is wrong there."""


class Overloaded(OpsboardError):
    """More is waiting to be written than the bound allows; try again in a second."""


class IdempotencyClash(OpsboardError):
    """The key was used within the last 24 hours for something else."""


class BrokenChain(OpsboardError):
    """An entry does not follow the one before it."""


class ErrorGroupNotFound(OpsboardError):
    """No error group has this fingerprint."""


class EventNotFound(OpsboardError):
    """No event has this id."""
