"""Find the rows of a batch whose values Lark refuses, by bisecting it; with a ledger: `loads.dividing`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from lark_provider.api.clouddoc.rejects import VALUE_CODES
from lark_provider.protocol.errors import LarkAPIError, LarkError
from lark_provider.protocol.operations import Procedure

T = TypeVar("T")
MAX_CALLS = 200


def make_many_refused_error(error: LarkAPIError, refused: int, calls: int, left: int) -> LarkAPIError:
    """Return the error for a batch with too many refused rows to find each of them.

    Args:
        error: Lark's last answer.
        refused: How many rows were found to be refused.
        calls: How many requests that took.
        left: How many rows are neither written nor found to be refused.
    """
    return LarkAPIError(
        f"{error} {refused} rows of this batch were found to be refused in {calls} requests, and {left} are "
        "left. Next: correct the source; so many bad values are rarely an accident.",
        code=error.code,
        msg=error.msg,
        log_id=error.log_id,
        http_status=error.http_status,
    )


@dataclass(slots=True)
class Bisected(Generic[T]):
    """The outcome of a batch.

    Attributes:
        written: Rows that are written.
        refused: Rows that Lark refused, each with its answer.
        calls: Requests that were made.
    """

    written: list[T] = field(default_factory=list)
    refused: list[tuple[T, LarkAPIError]] = field(default_factory=list)
    calls: int = 0


def is_bad_value(error: Exception) -> bool:
    """Return whether Lark refused a batch because of a value in it."""
    return isinstance(error, LarkAPIError) and error.http_status is not None and error.code in VALUE_CODES


def append_hint(error: LarkError, rows: int) -> None:
    """Add a hint to the refusal of a batch: how to find the row with the bad value, which Lark does not name.

    Args:
        error: Lark's answer, or another failure, which is left as it is.
        rows: How many rows the request had.
    """
    if rows > 1 and is_bad_value(error):
        hint = (
            f"Lark does not say which of the {rows} rows it refuses; on_bad_row='skip' finds them, and "
            "writes the others."
        )
        error.args = (f"{error} {hint}",)


def write(
    batch: list[T],
    send: Callable[[list[T]], Procedure[None]],
    check: Callable[[], Procedure[None]],
    *,
    skip: bool,
) -> Procedure[Bisected[T]]:
    """Write a batch; if Lark refuses a value in it, write halves of it until the rows are found.

    Batches are all-or-nothing, so that a batch that was refused left nothing behind.

    Args:
        batch: The rows.
        send: Makes the procedure that writes some of them in one request.
        check: Makes the procedure that reads the table's fields again and raises if they have changed, since
            no row is to blame then.
        skip: Whether to find the refused rows and write the others; if False, the first refusal is raised.

    Returns:
        Which rows are written and which are refused.

    Raises:
        LarkAPIError: Lark refused the batch for another reason, or the refused rows were not found within
            `MAX_CALLS` requests.
    """
    done: Bisected[T] = Bisected()
    waiting = [batch]
    checked = False
    while waiting:
        part = waiting.pop()
        try:
            done.calls += 1
            yield from send(part)
        except LarkAPIError as error:
            if not (skip and is_bad_value(error)):
                append_hint(error, len(part))
                raise
            if not checked:
                yield from check()
                checked = True
            if len(part) == 1:
                done.refused.append((part[0], error))
                continue
            if done.calls >= MAX_CALLS:
                left = len(part) + sum(map(len, waiting))
                raise make_many_refused_error(error, len(done.refused), done.calls, left) from error
            middle = len(part) // 2
            waiting += [part[middle:], part[:middle]]
        else:
            done.written += part
    return done
