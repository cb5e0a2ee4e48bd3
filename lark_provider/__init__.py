"""Lark / Feishu for Apache Airflow and for plain Python.

`from lark_provider import LarkServiceClient` works without Airflow. Importing this package loads nothing
else: the names here are imported on first use.
"""

from __future__ import annotations

import os as _os

from lark_provider.support.exports import make_getattr as _lazy

__version__ = "1.0.0rc1"

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
        "DeadlineExceededError",
        "DecryptionError",
        "InvalidRequestError",
        "LarkAPIError",
        "LarkError",
        "NotEmulatedError",
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
__all__ = ["__version__"]
__all__ += list(_HOME_OF)

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
    from lark_provider.errors import DeadlineExceededError as DeadlineExceededError
    from lark_provider.errors import DecryptionError as DecryptionError
    from lark_provider.errors import InvalidRequestError as InvalidRequestError
    from lark_provider.errors import LarkAPIError as LarkAPIError
    from lark_provider.errors import LarkError as LarkError
    from lark_provider.errors import NotEmulatedError as NotEmulatedError
    from lark_provider.errors import NotFoundError as NotFoundError
    from lark_provider.errors import OutcomeUnknownError as OutcomeUnknownError
    from lark_provider.errors import PermissionDeniedError as PermissionDeniedError
    from lark_provider.errors import RateLimitError as RateLimitError
    from lark_provider.errors import StorageError as StorageError
    from lark_provider.errors import TokenAcquisitionError as TokenAcquisitionError
    from lark_provider.errors import TransportError as TransportError


__getattr__ = _lazy(__name__, _HOME_OF)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if _os.environ.get("LOG_LEVEL"):  # otherwise, logging is not imported
    from lark_provider.utils.logger import show_by_default as _show_by_default

    _show_by_default()
