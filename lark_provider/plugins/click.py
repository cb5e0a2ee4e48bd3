"""`POST /lark/click`: a click, delivered by the bridge, answered as the person who clicked.

Airflow does not authenticate requests to plugins. Each one is proven by an HMAC over all that is delivered,
and nothing else is read of a request that is not proven.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from lark_provider.plugins import settings
from lark_provider.plugins.acting import Actions, find_key
from lark_provider.plugins.logs import get_logger
from lark_provider.plugins.sentences import describe_outcome
from lark_provider.plugins.signed import RefusalLog, Refused, Turns, read_signed, receive_signed, send_result
from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.protocol.hitl.delivery import AnswerOutcome, ClickResult, DeliveredClick, read_click
from lark_provider.protocol.hitl.proof import CHECK_EVENT, CLICK_PATH, BridgeSecrets
from lark_provider.storage.click_results import ClickResults
from lark_provider.support import threads

if TYPE_CHECKING:
    from lark_provider.plugins.asgi import AsgiApplication, AsgiReceive, AsgiScope, AsgiSend

logger = get_logger(__name__)
_CLICK_SECONDS = 30.0
_DATABASE_SECONDS = 10.0


class Clicks:
    """The endpoint for clicks.

    Args:
        app: Airflow's own application.
        secrets: The secrets of the bridge.
        turns: Limits how many deliveries are processed at once.
    """

    def __init__(self, app: AsgiApplication, secrets: BridgeSecrets, turns: Turns) -> None:
        self._actions, self._secrets, self._turns = Actions(app), secrets, turns
        self._refusals = RefusalLog(_log_unproven, _log_unreadable)

    async def serve(self, scope: AsgiScope, receive: AsgiReceive, send: AsgiSend) -> None:
        """Answer a request whose signature is not verified yet.

        Args:
            scope: The request.
            receive: Receives its body.
            send: Sends the answer.
        """
        self._refusals.flush()
        request = await receive_signed(scope, receive, send, self._secrets, CLICK_PATH)
        if request is None:
            return
        if request.is_proven and request.name == CHECK_EVENT:
            logger.info("Delivery of clicks checked")
            await send_result(send, _make_result("invalid"))
            return
        click = read_signed(request, read_click, lambda delivered: delivered.event_id)
        if isinstance(click, Refused):
            self._refusals.note(request, click)
            await send_result(send, _make_result(click.outcome, click.reason))
            return
        with self._turns.take() as is_free:
            busy = _make_result("busy", open_id=click.operator.open_id)
            result = await self._decide(click) if is_free else busy
        await send_result(send, result)

    async def _decide(self, click: DeliveredClick) -> ClickResult:
        """Perform a click, or return the recorded outcome of an earlier delivery."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(_CLICK_SECONDS):
                result = await self._perform_once(click)
        except (
            InvalidRequestError
        ) as error:  # Such as a run id that no URL can contain; a retry would not help.
            result = _make_result("invalid", str(error), open_id=click.operator.open_id)
        except Exception:  # Nothing is recorded, and the bridge delivers the click again.
            logger.exception("Click not applied; it can be delivered again", extra=_log_fields(click))
            result = _make_result("unavailable", open_id=click.operator.open_id)
        fields = _log_fields(click) | {
            "outcome": result.outcome,
            "person": result.person,
            "seconds": round(time.monotonic() - began, 3),
        }
        if result.status == 200:  # noqa: PLR2004 - OK
            logger.info("Click applied for the person who clicked", extra=fields)
        else:
            logger.info("Click refused", extra=fields)
        return result

    async def _perform_once(self, click: DeliveredClick) -> ClickResult:
        results = await threads.run(lambda: ClickResults(settings.DATABASE.read_url()), _DATABASE_SECONDS)
        known = await threads.run(
            lambda: results.find_result(click.app_id, click.event_id), _DATABASE_SECONDS
        )
        if known is not None:
            return await self._actions.renew_link(click, known)
        result = await self._actions.act(click, results)
        if not result.is_final:
            return result
        key = find_key(click) or ""
        recorded = await threads.run(lambda: results.finish(click, key, result), _DATABASE_SECONDS)
        # The link holds a code, which is not recorded.
        return result if recorded.outcome == result.outcome else recorded


def _log_unproven(client: str, suppressed: int) -> None:
    fields = {"client": client, "suppressed": suppressed}
    logger.warning("Click with invalid signature rejected", extra=fields)


def _log_unreadable(reason: str) -> None:
    logger.error("Delivered click is unreadable", extra={"error": reason})


def _log_fields(click: DeliveredClick) -> dict[str, str | None]:
    """Return the fields by which log lines about a click are found."""
    return {
        "app_id": click.app_id,
        "event_id": click.event_id,
        "open_id": click.operator.open_id,
        "card": find_key(click),
    }


def _make_result(outcome: AnswerOutcome, reason: str = "", open_id: str | None = None) -> ClickResult:
    return ClickResult(outcome, describe_outcome(outcome, reason=reason), open_id=open_id)
