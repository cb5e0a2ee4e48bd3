"""Create a spreadsheet once for a key.

Lark takes no idempotency token for this. So the spreadsheet is created under a title that ends with a digest
of the key, and is looked for by that title before it is created again. It gets its own title once its token
is recorded.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lark_provider.api.clouddoc.document_lease import DocumentLease, make_document_lease
from lark_provider.api.clouddoc.drive.listing import find_by_name
from lark_provider.api.clouddoc.loads.leasing import TakenOverError, with_required_store
from lark_provider.api.clouddoc.sheets.files import format_subject
from lark_provider.api.clouddoc.sheets.tables.place import V3
from lark_provider.protocol.calls import Call, make_request
from lark_provider.protocol.effects import Memoize
from lark_provider.protocol.errors import LarkAPIError, NotFoundError, OutcomeUnknownError, TransportError
from lark_provider.protocol.keys import make_client_token
from lark_provider.protocol.ledger_entry import LedgerEntry, LedgerState
from lark_provider.protocol.operations import Procedure, memoize, perform
from lark_provider.protocol.paths import fill_path
from lark_provider.protocol.store import with_store

logger = logging.getLogger(__name__)

_LOOKS, _SENDS, _MAX_TAKEOVERS = 3, 3, 10
_TOKEN = 64
_DELETED = 1310249
_MAX_TITLE = 255
_BOT_MAX_AGE = 3600.0


@dataclass(frozen=True, slots=True)
class Created:
    """A spreadsheet.

    Attributes:
        token: The token of the spreadsheet.
        url: The link to the spreadsheet.
    """

    token: str
    url: str


def create(
    title: str, folder: str, key: str, *, look_after: float, lease_seconds: float, lease_wait: float
) -> Procedure[Created]:
    """Create a spreadsheet, or return the one that was created for the key.

    See POST /open-apis/sheets/v3/spreadsheets and GET /open-apis/drive/v1/files.

    Args:
        title: The title of the spreadsheet.
        folder: The token of its folder; empty for the app's own space.
        key: The caller's idempotency key.
        look_after: Seconds between two looks for one that an earlier attempt may have created.
        lease_seconds: How long the lease is taken each time, in seconds.
        lease_wait: Seconds to wait for another process that creates it.

    Raises:
        LarkError: As for any call, and if the database is unavailable.
    """
    digest = make_client_token(key, folder, "spreadsheet").replace("-", "")
    first_title = f"{title[: _MAX_TITLE - len(digest) - 3]} [{digest}]"
    # The lease is that of the key, so that two processes with the same key do not create two.
    held = yield from make_document_lease(
        f"file/{folder}/{digest}", f"file {digest[:12]}", lease_seconds, lease_wait
    )
    yield from held.begin()
    try:
        if not held.is_shared:
            return _parse_created((yield from perform(_create_call(title, folder))).data)
        for _ in range(_MAX_TAKEOVERS):
            try:
                created, is_certain = yield from _create_once(held, folder, key, first_title, look_after)
                current_title = yield from _read_title(created)
                # An attempt that was interrupted has left the first title: the final one is set last.
                if current_title == first_title and not is_certain:
                    yield from held.pause(look_after)
                    yield from _remove_surplus(created, first_title, folder)
                if current_title == first_title:
                    url = fill_path(V3, token=created.token)
                    yield from perform(make_request("PATCH", url, json={"title": title}, idempotent=True))
            except TakenOverError:
                continue
            if current_title is not None:
                return created
            logger.warning(
                "The spreadsheet of a key was deleted; creating another", extra={"token": created.token}
            )
            key = f"{key}\nafter {created.token}"
    finally:
        yield from held.end()
    raise TakenOverError(
        "Other processes are creating the spreadsheet at the same time. Next: call again later.",
        retryable=True,
    )


def _create_once(
    held: DocumentLease, folder: str, key: str, title: str, look_after: float
) -> Procedure[tuple[Created, bool]]:
    """Return the spreadsheet, and whether no other can have been created for the key."""
    entry = yield from with_required_store(lambda store: store.files.begin(folder, key, title[-_TOKEN:]))
    if entry.state is LedgerState.DONE:
        return _read_recorded(entry), False
    created, sends = yield from _find_or_send(held, entry, title, folder, look_after)
    recorded, is_first = yield from _record(entry, folder, key, created)
    return recorded, entry.is_new and sends == 1 and is_first


def _find_or_send(
    held: DocumentLease, entry: LedgerEntry, title: str, folder: str, look_after: float
) -> Procedure[tuple[Created, int]]:
    """Return the spreadsheet, and how many requests may have created one, an earlier attempt's included."""
    earlier_sends = 0
    if not entry.is_new and entry.state is LedgerState.PENDING:
        earlier_sends = 1
        earlier = yield from _find_created(held, title, folder, look_after)
        if earlier is not None:
            return earlier, earlier_sends
    for sends in range(1, _SENDS + 1):
        created = yield from _send(held, entry, title, folder, look_after)
        if created is not None:
            return created, earlier_sends + sends
    raise OutcomeUnknownError(
        f"Whether the spreadsheet {title!r} was created is unknown: no request was answered. Next: "
        "call again with the same key."
    )


def _record(entry: LedgerEntry, folder: str, key: str, created: Created) -> Procedure[tuple[Created, bool]]:
    """Record the spreadsheet; return the one that is recorded, and whether no other was recorded first."""
    result = {"token": created.token, "url": created.url}
    (is_first,) = (yield from with_store(lambda store: store.files.mark_done(entry, result))) or (True,)
    if is_first:
        return created, True
    # Another process had the lease and has recorded its own.
    (other,) = (yield from with_store(lambda store: store.files.begin(folder, key, entry.token))) or (entry,)
    return (_read_recorded(other) if other.state is LedgerState.DONE else created), False


def _read_recorded(entry: LedgerEntry) -> Created:
    return Created(entry.result["token"], entry.result["url"])


def _remove_surplus(created: Created, title: str, folder: str) -> Procedure[None]:
    """Delete spreadsheets besides the recorded one, created by requests whose answers were lost.

    Their tokens were returned to no caller: they still have the first title, with the digest of the key.
    """
    for candidate in (yield from _list_created(title, folder)):
        if candidate.token != created.token:
            logger.warning("Deleting a spreadsheet that was created twice", extra={"token": candidate.token})
            url = fill_path("/drive/v1/files/{token}", token=candidate.token)
            yield from perform(make_request("DELETE", url, params={"type": "sheet"}))


def _send(
    held: DocumentLease, entry: LedgerEntry, title: str, folder: str, look_after: float
) -> Procedure[Created | None]:
    yield from held.renew()
    (sent,) = (yield from with_store(lambda store: store.files.resend(entry, entry.token))) or (entry,)
    if sent.state is LedgerState.DONE:
        return _read_recorded(sent)  # Another process had the lease meanwhile.
    try:
        return _parse_created((yield from held.send(_create_call(title, folder))).data)
    except OutcomeUnknownError:
        return (yield from _find_created(held, title, folder, look_after))
    except (LarkAPIError, TransportError):
        if entry.is_new:
            yield from with_store(lambda store: store.files.refuse(sent), wait_for_database=False)
        raise


def _find_created(
    held: DocumentLease, title: str, folder: str, look_after: float
) -> Procedure[Created | None]:
    """Look for a spreadsheet that may have been created, several times, since listings lag behind."""
    for look in range(_LOOKS):
        if look:
            yield from held.pause(look_after)
        if spreadsheets := (yield from _list_created(title, folder)):
            logger.info("Found a spreadsheet that an earlier attempt has created", extra={"title": title})
            return spreadsheets[0]
    return None


def _list_created(title: str, folder: str) -> Procedure[list[Created]]:
    """Return the spreadsheets of this app with a title in a folder, the oldest first."""
    owner = yield from memoize(Memoize(("bot.open_id",), _read_bot, _BOT_MAX_AGE))
    files = yield from find_by_name(folder, title, "sheet")
    ours = (file for file in files if not file.get("owner_id") or file["owner_id"] == owner)
    return [Created(file["token"], file.get("url") or "") for file in ours]


def _read_bot() -> Procedure[str]:
    answer = yield from perform(make_request("GET", fill_path("/bot/v3/info")))
    open_id: str = (answer.data.get("bot") or {}).get("open_id") or ""
    return open_id


def _create_call(title: str, folder: str) -> Call[Any]:
    body = {"title": title, **({"folder_token": folder} if folder else {})}
    return make_request(
        "POST", fill_path("/sheets/v3/spreadsheets"), json=body, subject=format_subject(title, folder)
    )


def _parse_created(data: Mapping[str, Any]) -> Created:
    spreadsheet = data["spreadsheet"]
    return Created(spreadsheet["spreadsheet_token"], spreadsheet.get("url") or "")


def _read_title(created: Created) -> Procedure[str | None]:
    """Return the title of a spreadsheet; None if it was deleted."""
    try:
        answer = yield from perform(make_request("GET", fill_path(V3, token=created.token)))
    except NotFoundError as error:
        if error.code != _DELETED:
            raise
        return None
    title: str = (answer.data.get("spreadsheet") or {}).get("title") or ""
    return title
