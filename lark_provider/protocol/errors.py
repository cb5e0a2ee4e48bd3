"""The errors that users of this package catch. Those of other modules are subclasses of these.

```
LarkError
├── ConfigurationError (ValueError)      credentials, base URL or settings are missing or wrong
├── TokenAcquisitionError                Lark gives no token for these credentials
├── LarkAPIError                         Lark refused the request
│   ├── RateLimitError                   too many requests, and waiting longer was not allowed
│   ├── PermissionDeniedError            a scope, a membership or a share is missing
│   ├── NotFoundError                    the thing named does not exist
│   ├── InvalidRequestError (ValueError) the request itself is wrong; some are found before sending
│   ├── ConflictError                    the thing is in a state that forbids it
│   └── NotEmulatedError                 the local Lark has no such endpoint; Lark has
├── TransportError                       no usable answer came; unless it is one of these, nothing was changed
│   ├── DeadlineExceededError            the call's deadline passed first, and nothing was changed
│   ├── OutcomeUnknownError              a write was sent and its answer is lost
│   └── BrokerError                      RabbitMQ is unavailable
├── BulkWriteError                       a bulk write stopped part-way; says what was written
│   └── BulkOutcomeUnknownError          … and the last chunk may or may not be written (OutcomeUnknownError)
├── CallbackRefusedError                 a request to the callback URL is not proven to be Lark's
├── StorageError                         a database is unavailable or not what it should be
└── DecryptionError                      something is encrypted with a key that is not here
```

The last two also subclass SQLAlchemy's `OperationalError` and cryptography's `InvalidToken`, so they are
defined in `storage.errors`; `lark_provider.errors` has all errors.

Each text ends with the next step. The attribute `retryable` of each error says whether the same call can
succeed later without a change. All errors can be pickled.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class LarkError(Exception):
    """The root of all errors of this package."""

    retryable: bool = False


class ConfigurationError(LarkError, ValueError):
    """Credentials, base URL or another setting is missing or is invalid."""


class TokenAcquisitionError(LarkError):
    """Lark's token endpoint refused the credentials. Never retried: a person has to correct them.

    Attributes:
        code: Lark's code, e.g. 10014.
        msg: Lark's own words.
        log_id: The id by which Lark's support finds the request, if Lark sent one.
    """

    def __init__(self, text: str, *, code: int = 0, msg: str = "", log_id: str | None = None) -> None:
        super().__init__(text)
        self.code, self.msg, self.log_id = code, msg, log_id


class LarkAPIError(LarkError):
    """Lark refused a request.

    Attributes:
        code: Lark's code. If the error was found before sending, the code that Lark would answer; 0 if the
            answer did not come from Lark.
        msg: Lark's own message, or that of this package if nothing was sent.
        log_id: The id by which Lark's support finds the request (header `X-Tt-Logid`).
        http_status: The HTTP status, or None if nothing was sent.
        scopes: Scopes of which one is required and missing, as Lark lists them.
        apply_url: The console page where they can be granted.
        troubleshooter: Lark's help link for this failure.
        field_violations: `{"field", "value", "description"}` for each field that Lark named.
    """

    def __init__(
        self,
        text: str,
        *,
        code: int = 0,
        msg: str = "",
        log_id: str | None = None,
        http_status: int | None = None,
        retryable: bool = False,
        scopes: Sequence[str] = (),
        apply_url: str | None = None,
        troubleshooter: str | None = None,
        field_violations: Sequence[dict[str, str]] = (),
    ) -> None:
        super().__init__(text)
        self.code, self.msg, self.log_id, self.http_status = code, msg, log_id, http_status
        self.retryable = retryable
        self.scopes, self.apply_url = tuple(scopes), apply_url
        self.troubleshooter, self.field_violations = troubleshooter, tuple(field_violations)

    @property
    def is_from_lark(self) -> bool:
        """Whether Lark gave the reason, or would: the 404 of a proxy in between says nothing about a chat."""
        return self.code != 0 or self.http_status is None


class RateLimitError(LarkAPIError):
    """Too many requests, still so after the allowed waits. `.retry_after`: seconds, if Lark named them."""

    retry_after: float | None = None


class PermissionDeniedError(LarkAPIError):
    """The app lacks a scope, is not in the chat, or the document was not shared with it."""


class NotFoundError(LarkAPIError):
    """The chat, user, base, table, field or endpoint named does not exist for this app."""


class InvalidRequestError(LarkAPIError, ValueError):
    """The request itself is invalid; where `http_status` is None it was never sent."""


class ConflictError(LarkAPIError):
    """The thing exists already, was changed meanwhile, or is in a state that forbids the request."""


class NotEmulatedError(LarkAPIError):
    """The local Lark does not emulate an endpoint that Lark has. Never retried."""


class TransportError(LarkError):
    """No usable answer came. Unless it is a subclass that says otherwise, nothing was changed at Lark."""

    retryable = True


class DeadlineExceededError(TransportError):
    """The call's `deadline` passed before an answer, and nothing was changed at Lark.

    The deadline bounds everything that the call waits for: tokens, other callers, backoff and Lark itself.
    """


class OutcomeUnknownError(TransportError):
    """A write was sent and its answer is lost: it may or may not have happened.

    Check at Lark before you repeat it, or send it with an idempotency key, which makes the repeat safe.

    Attributes:
        problem: What went wrong with the request that may have been performed, without what to do next; ""
            if this error is not about a single request.
    """

    retryable = False
    problem: str = ""


class BulkWriteError(LarkError):
    """A bulk write stopped part-way. `__cause__` says why.

    Attributes:
        written: Records known to be written; `records[error.written:]` is the rest.
        failed_chunk: Index of the chunk that failed, counting from 0.
        record_ids: Ids of the records written, in order.
    """

    def __init__(
        self,
        text: str,
        *,
        written: int = 0,
        failed_chunk: int = 0,
        record_ids: Sequence[str] = (),
        retryable: bool = False,
    ) -> None:
        super().__init__(text)
        self.written, self.failed_chunk, self.record_ids = written, failed_chunk, list(record_ids)
        self.retryable = retryable


class BulkOutcomeUnknownError(BulkWriteError, OutcomeUnknownError):
    """A bulk write stopped, and its last chunk may or may not have been written."""


class CallbackRefusedError(LarkError):
    """A request to a callback URL is not proven to be Lark's.

    The text is for the log of the server, and quotes neither the body nor a key. The sender gets the status
    only, since reasons would help an attacker.

    Attributes:
        status: The HTTP status to answer, 400 to 499.
        may_be_stale: Whether the keys here may be outdated, so that newer ones could verify the request.
        reason: What is wrong, as one of a few fixed words, for metrics.
    """

    def __init__(
        self, text: str, *, status: int = 400, may_be_stale: bool = False, reason: str = "unreadable"
    ) -> None:
        super().__init__(text)
        self.status, self.may_be_stale, self.reason = status, may_be_stale, reason


class BrokerError(TransportError):
    """RabbitMQ is unavailable or refused the connection."""


def get_problem(error: LarkError) -> str:
    """Return the text of an error without what to do next."""
    return str(error).split(" Next: ")[0]


def find_refusal(error: LarkError) -> LarkAPIError | None:
    """Return what Lark answered last, also where an earlier attempt may have been performed.

    Args:
        error: What a call raised.

    Returns:
        The refusal; None if the last attempt got no answer, or none that Lark's codes describe.
    """
    last = error.__cause__ if isinstance(error, OutcomeUnknownError) else error
    return last if isinstance(last, LarkAPIError) else None


def make_unknown_choice_error(
    name: str, value: object, choices: Iterable[str], code: int = 0
) -> InvalidRequestError:
    """Return the error for an argument that is not one of the values allowed.

    Args:
        name: The argument's name.
        value: What was passed.
        choices: The values allowed.
        code: The code that Lark would answer.
    """
    text = (
        f"{name} must be one of {', '.join(choices)}, got {value!r}. Next: pass a listed value, in exactly "
        "this spelling."
    )
    return InvalidRequestError(text, code=code)
