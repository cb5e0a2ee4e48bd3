"""The errors of this package, under the name that users import. See `lark_provider.protocol.errors`.

The errors of databases and keys subclass those of SQLAlchemy and cryptography, and are imported on first use.
"""

from __future__ import annotations

from lark_provider.protocol.errors import (
    BrokerError,
    BulkOutcomeUnknownError,
    BulkWriteError,
    CallbackRefusedError,
    ConfigurationError,
    ConflictError,
    DeadlineExceededError,
    InvalidRequestError,
    LarkAPIError,
    LarkError,
    NotEmulatedError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RateLimitError,
    TokenAcquisitionError,
    TransportError,
)
from lark_provider.support.exports import make_getattr

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lark_provider.storage.errors import DecryptionError, StorageError

__all__ = [
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
]

_HOME = "lark_provider.storage.errors"  # only a program with a database needs it
__getattr__ = make_getattr(__name__, {"DecryptionError": _HOME, "StorageError": _HOME})
