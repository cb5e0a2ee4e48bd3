"""Lark / Feishu for Apache Airflow and for plain Python.

`from lark_provider import LarkServiceClient` works without Airflow. Importing this package loads nothing
but itself: what is named here is imported when it is first used.
"""

from __future__ import annotations

__version__ = "0.1.0"

_HOMES = {
    "lark_provider.client": (
        "AsyncLarkServiceClient",
        "AsyncLarkWebhookClient",
        "LarkServiceClient",
        "LarkWebhookClient",
    ),
    "lark_provider.errors": (
        "BrokerError",
        "BulkOutcomeUnknownError",
        "BulkWriteError",
        "CallbackRefusedError",
        "ConfigurationError",
        "ConflictError",
        "DecryptionError",
        "InvalidRequestError",
        "LarkAPIError",
        "LarkError",
        "NotFoundError",
        "OutcomeUnknownError",
        "PermissionDeniedError",
        "RateLimitError",
        "StorageError",
        "TokenAcquisitionError",
        "TransportError",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
__all__ = ["__version__", *sorted(_HOME_OF)]  # noqa: PLE0604 - one list of names, above

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lark_provider.client import AsyncLarkServiceClient as AsyncLarkServiceClient
    from lark_provider.client import AsyncLarkWebhookClient as AsyncLarkWebhookClient
    from lark_provider.client import LarkServiceClient as LarkServiceClient
    from lark_provider.client import LarkWebhookClient as LarkWebhookClient
    from lark_provider.errors import BrokerError as BrokerError
    from lark_provider.errors import BulkOutcomeUnknownError as BulkOutcomeUnknownError
    from lark_provider.errors import BulkWriteError as BulkWriteError
    from lark_provider.errors import CallbackRefusedError as CallbackRefusedError
    from lark_provider.errors import ConfigurationError as ConfigurationError
    from lark_provider.errors import ConflictError as ConflictError
    from lark_provider.errors import DecryptionError as DecryptionError
    from lark_provider.errors import InvalidRequestError as InvalidRequestError
    from lark_provider.errors import LarkAPIError as LarkAPIError
    from lark_provider.errors import LarkError as LarkError
    from lark_provider.errors import NotFoundError as NotFoundError
    from lark_provider.errors import OutcomeUnknownError as OutcomeUnknownError
    from lark_provider.errors import PermissionDeniedError as PermissionDeniedError
    from lark_provider.errors import RateLimitError as RateLimitError
    from lark_provider.errors import StorageError as StorageError
    from lark_provider.errors import TokenAcquisitionError as TokenAcquisitionError
    from lark_provider.errors import TransportError as TransportError


def __getattr__(name: str) -> object:
    import importlib  # noqa: PLC0415 - it costs more than the rest of this module

    try:
        home = _HOME_OF[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    value = globals()[name] = getattr(importlib.import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
