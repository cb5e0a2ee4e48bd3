"""The errors of this package, under the name that users import. See `lark_provider.protocol.errors`.

Those of databases and keys subclass SQLAlchemy's and cryptography's, and callbacks need cryptography, so
these are imported when first named.
"""

from __future__ import annotations

from lark_provider.protocol.errors import (
    BulkOutcomeUnknownError,
    BulkWriteError,
    ConfigurationError,
    ConflictError,
    InvalidRequestError,
    LarkAPIError,
    LarkError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RateLimitError,
    TokenAcquisitionError,
    TransportError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lark_provider.core.storage.errors import DecryptionError, StorageError
    from lark_provider.protocol.callbacks import BrokerError, CallbackRefusedError

__all__ = [
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
]


_LATER = {
    "BrokerError": "lark_provider.protocol.callbacks",
    "CallbackRefusedError": "lark_provider.protocol.callbacks",
    "DecryptionError": "lark_provider.core.storage.errors",
    "StorageError": "lark_provider.core.storage.errors",
}


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib  # noqa: PLC0415 - only who has a database or a gateway gets here

    return getattr(importlib.import_module(_LATER[name]), name)
