"""Make a folder once: its token is recorded in the database, where other processes read it.

Lark has no way to create a folder only if it is missing, and its lists show new folders late. So only one
process at a time may create a folder with a given name and parent; the next one reads its token from the
database even if the lists do not show it yet.
"""

from __future__ import annotations

from lark_provider.api.clouddoc.document_lease import DocumentLease, make_document_lease
from lark_provider.api.clouddoc.drive.listing import create_folder_call, find_oldest_folder
from lark_provider.api.clouddoc.loads.leasing import (
    LEASE_SECONDS,
    WAIT_SECONDS,
    TakenOverError,
    with_required_store,
)
from lark_provider.protocol.errors import OutcomeUnknownError
from lark_provider.protocol.keys import make_client_token
from lark_provider.protocol.ledger_entry import LedgerEntry, LedgerState
from lark_provider.protocol.operations import Procedure, perform
from lark_provider.protocol.store import with_store

POLLS, POLL_INTERVAL_SECONDS = 3, 5.0
"""How often to look for a folder whose creation got no answer, and the seconds between two looks: new folders
are listed late."""
_LAG_SECONDS = 60.0
"""Seconds after which a folder that was made and is not listed must have been moved, renamed or deleted."""
_MAX_TAKEOVERS = 10


def make_folder(parent: str, name: str) -> Procedure[str]:
    """Make a folder that was not listed, unless another process has just made it.

    See POST /open-apis/drive/v1/files/create_folder.

    Args:
        parent: The token of the folder above.
        name: The name of the new folder.

    Returns:
        Its token.

    Raises:
        LarkError: As for any call, and if the database is unavailable.
    """
    is_shared = (yield from with_store(lambda _: True)) is not None
    held = yield from make_document_lease(
        f"folder/{make_client_token(parent, name, 'folder')}",
        f"folder {name!r}",
        LEASE_SECONDS,
        WAIT_SECONDS,
        kind="folder",
        wait_option=None,
    )
    if not is_shared:
        return (yield from _send(held, parent, name))
    yield from held.begin()
    try:
        for _ in range(_MAX_TAKEOVERS):
            try:
                return (yield from _make_once(held, parent, name))
            except TakenOverError:
                continue
    finally:
        yield from held.end()
    raise TakenOverError(
        f"Other processes are creating the folder {name!r} at the same time. Next: call again later.",
        retryable=True,
    )


def _make_once(held: DocumentLease, parent: str, name: str) -> Procedure[str]:
    """Return the folder that is recorded, or make and record it."""
    key = f"folder {name}"
    entry = yield from _begin_entry(parent, key)
    while entry.state is LedgerState.DONE:
        recorded_token: str = entry.result["token"]
        if entry.age < _LAG_SECONDS:
            return recorded_token
        key = f"{key}\nafter {recorded_token}"
        entry = yield from _begin_entry(parent, key)
    # The folder is looked up again, since another process may have made it before the lease was granted.
    listed_token = yield from find_oldest_folder(parent, name)
    looks = 0 if entry.is_new or entry.age >= _LAG_SECONDS else POLLS
    while listed_token is None and looks:
        yield from held.pause(POLL_INTERVAL_SECONDS)
        listed_token, looks = (yield from find_oldest_folder(parent, name)), looks - 1
    folder_token = (yield from _send(held, parent, name)) if listed_token is None else listed_token
    result = {"token": folder_token}
    (is_first,) = (yield from with_store(lambda store: store.files.mark_done(entry, result))) or (True,)
    if is_first:
        return folder_token
    return str((yield from _begin_entry(parent, key)).result["token"])


def _begin_entry(parent: str, key: str) -> Procedure[LedgerEntry]:
    """Return the ledger's entry of a folder, which is recorded as pending if it is new."""
    return (yield from with_required_store(lambda store: store.files.begin(parent, key, "folder")))


def _send(held: DocumentLease, parent: str, name: str) -> Procedure[str]:
    """Make a folder; if the answer is lost, look for it before it is made again."""
    call = create_folder_call(name, parent)
    try:
        return str((yield from held.send(call)).data["token"])
    except OutcomeUnknownError:
        for _ in range(POLLS):
            yield from held.pause(POLL_INTERVAL_SECONDS)
            token = yield from find_oldest_folder(parent, name)
            if token is not None:
                return token
    return str((yield from perform(call)).data["token"])
