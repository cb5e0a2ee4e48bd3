"""Descriptions of requests to Lark. A call does nothing by itself; a client performs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast
from urllib.parse import quote

import orjson

from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.protocol.multipart import MultipartForm
from lark_provider.protocol.paths import get_operation
from lark_provider.protocol.redact import MASK

D_co = TypeVar("D_co", covariant=True)

JSON_TYPE = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class LarkResponse(Generic[D_co]):
    """A successful answer.

    Attributes:
        code: Always 0.
        msg: Lark's message, "success" or "ok".
        data: The answer's content; for answers outside the usual envelope, everything but code and msg.
        log_id: The id by which Lark's support finds the request.
        date: When Lark answered, by its own clock, from the header `Date`.
    """

    code: int
    msg: str
    data: D_co
    log_id: str | None = None
    date: str | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Call(Generic[D_co]):
    """The description of one request to Lark.

    Attributes:
        method: The HTTP method.
        path: The path from the root, `/open-apis/…`, with quoted parameters, and `***` in place of a secret.
        params: Query parameters; one with several values is repeated.
        body: The encoded body, or None.
        form: A body that uploads a file, instead of `body`; sent in chunks.
        safe: Whether it changes nothing at Lark.
        idempotent: Whether a repeat does no harm: the request is safe, removes what it names, or carries an
            idempotency token.
        auth: Whether it carries the tenant token.
        content_type: The body's type.
        headers: Further headers that the endpoint requires.
        subject: What the request is about, for error texts, if the path does not show it.
        hint: What may be wrong with its ids, for the next step of an error.
        save_to: A path to which the answer's content is streamed, if it is not JSON.
        secret: A value that is never shown: filled in for `***` in the path, and masked in answers.
        receiver: The receiver of the message, or the card that is updated; Lark limits the rate for each.
        skim: Extracts the data from the bytes of a successful answer, where parsing all of it takes long;
            returns None for any other answer, which is then parsed.
    """

    method: str
    path: str
    params: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)
    form: MultipartForm | None = None
    safe: bool = False
    idempotent: bool = False
    auth: bool = True
    content_type: str = JSON_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)
    subject: str = ""
    hint: str = ""
    save_to: str | None = None
    secret: str | None = field(default=None, repr=False)
    receiver: str | None = None
    skim: Callable[[bytes], D_co | None] | None = field(default=None, repr=False, compare=False)

    @property
    def removes(self) -> bool:
        """Whether it is a repeatable DELETE: "not found" after an uncertain attempt then means success."""
        return self.method == "DELETE" and self.idempotent

    @property
    def updates(self) -> bool:
        """Whether it updates something that exists, so that "nothing to change" is a success."""
        if self.path.endswith("/sheets_batch_update"):  # adds and copies worksheets, too
            return self.idempotent
        return self.method in {"PUT", "PATCH"} or self.path.endswith("batch_update")

    @property
    def name(self) -> str:
        """The request's method and path, as error texts and log lines name it."""
        return f"{self.method} {self.path}"

    @property
    def operation(self) -> str:
        """The template of the path, which is the same for all ids."""
        return get_operation(self.path)

    @property
    def target(self) -> str:
        """The path that is requested, with the secret; for the transport only."""
        return self.path if self.secret is None else self.path.replace(MASK, quote(self.secret, safe=""), 1)


_STEP = "pass dicts, lists, strings, numbers, booleans"
_STEPS = {
    "surrogates": "remove the lone surrogate from the text",
    "64-bit": "pass an int of more than 64 bits as text",
    "Dict key": "pass dicts whose keys are strings",
}
"""Next steps by words in the errors of orjson."""


def encode(value: Any, what: str) -> bytes:
    """Encode a value as JSON.

    Args:
        value: Dicts with str keys, lists, str, int, float, bool, None.
        what: What it is, for the error's text.

    Raises:
        InvalidRequestError: Something in it cannot be represented in JSON.
    """
    try:
        return orjson.dumps(value)
    except TypeError as error:
        step = next((step for words, step in _STEPS.items() if words in str(error)), _STEP)
        raise InvalidRequestError(f"{what} must be serialisable as JSON: {error}. Next: {step}.") from None


def make_request(
    method: str,
    url_path: str,
    *,
    params: Mapping[str, str | Sequence[str] | None] | None = None,
    json: Any = None,
    safe: bool | None = None,
    idempotent: bool | None = None,
    auth: bool = True,
    headers: Mapping[str, str] | None = None,
    subject: str = "",
    hint: str = "",
    save_to: str | None = None,
    secret: str | None = None,
    receiver: str | None = None,
) -> Call[Any]:
    """Build a call.

    Args:
        method: The HTTP method.
        url_path: The path, as `fill_path` returned it.
        params: Query parameters; None is left out, a list repeats the parameter.
        json: The body before encoding, or None for no body.
        safe: Whether it changes nothing at Lark; if None, a GET is safe.
        idempotent: Whether a repeat does no harm although it changes something. If None, a DELETE without a
            body is idempotent, since its path names what it removes. A body may name positions, such as rows
            of a spreadsheet, and then a repeat would remove other rows.
        auth: Whether it carries the tenant token.
        headers: Further headers that the endpoint requires.
        subject: What the request is about, for error texts.
        hint: What may be wrong with its ids, for error texts.
        save_to: A path to which the answer's content is streamed.
        secret: The value that is filled in for `***` in the path, and masked in answers.
        receiver: The receiver of the message that it sends, or the card that it updates.

    Raises:
        InvalidRequestError: The body cannot be represented in JSON.
    """
    safe = method == "GET" if safe is None else safe
    if idempotent is None:
        idempotent = method == "DELETE" and json is None
    if params is not None and None in params.values():
        params = {name: value for name, value in params.items() if value is not None}
    return Call(
        method,
        url_path,
        params=cast("Mapping[str, str | Sequence[str]]", params or {}),
        body=None if json is None else encode(json, f"the body of {method} {url_path}"),
        safe=safe,
        idempotent=safe or idempotent,
        auth=auth,
        headers=headers or {},
        subject=subject,
        hint=hint,
        save_to=save_to,
        secret=secret,
        receiver=receiver,
    )
