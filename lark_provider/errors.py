"""The errors of this package, under the name that users import. See `lark_provider.protocol.errors`."""

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

__all__ = [
    "BulkOutcomeUnknownError",
    "BulkWriteError",
    "ConfigurationError",
    "ConflictError",
    "InvalidRequestError",
    "LarkAPIError",
    "LarkError",
    "NotFoundError",
    "OutcomeUnknownError",
    "PermissionDeniedError",
    "RateLimitError",
    "TokenAcquisitionError",
    "TransportError",
]
