"""What every change of a card entity is checked for, and how a card that Lark refuses is refused here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NoReturn

import orjson

from lark_emulator import codes, codes_im
from lark_emulator.codes import Code, RefusedError
from lark_emulator.im.card_entities import keep
from lark_emulator.im.cards import BODY_MISSING, check_object, is_locked
from lark_emulator.validation import parse, read_json_object, read_optional_text, refuse_parameter
from lark_emulator.world.card_entities import LIFE, CardEntity

if TYPE_CHECKING:
    from lark_emulator.routing import Actor, Call

MAX_UUID_LENGTH = 64
MAX_SEQUENCE = 2**31 - 1
_SUB_CODE = re.compile(r"ErrCode: (\d+); (.*)", re.DOTALL)
#: What a message calls 11310 has a code of its own here.
_LIMIT, _TOO_MANY = 11310, "element exceeds the limit"


def find_entity(call: Call) -> CardEntity:
    """Return the entity of the path.

    Raises:
        RefusedError: 200740 (no such entity), 200750 (older than 14 days), 300311 (another app's).
    """
    entity = call.world.card_entities.get(call.params["card_id"])
    if entity is None:
        raise RefusedError(codes_im.ENTITY_UNKNOWN)
    if call.world.clock.get_time() - entity.created > LIFE:
        raise RefusedError(codes_im.ENTITY_EXPIRED)
    if entity.app_id != call.app.app_id:
        raise RefusedError(codes_im.ENTITY_DENIED)
    return entity


class Change:
    """One change of an entity: the entity, and the body of the request, checked in Lark's order.

    Args:
        call: The request that changes the card entity.
        is_stream: Whether it streams text, which has no limit per second.

    Raises:
        RefusedError: what `find_entity` raises; 99992402 (a member that is missing or malformed), 200770 (a
            uuid again), 200810 (a click on the card waits for its answer), 300317 (a sequence that is not
            greater than the last), 99991400 (too many changes).
    """

    def __init__(self, call: Call, *, is_stream: bool = False) -> None:
        self.call = call
        self.body = read_json_object(call, codes_im.ENTITY_PARAM)
        self.uuid = read_optional_text(self.body, "uuid", longest=MAX_UUID_LENGTH)
        self.sequence = self.body.get("sequence")
        if not isinstance(self.sequence, int) or isinstance(self.sequence, bool):
            refuse_parameter("sequence", self.sequence, "sequence is required and must be an integer")
        if self.sequence > MAX_SEQUENCE:
            refuse_parameter("sequence", self.sequence, f"sequence must be at most {MAX_SEQUENCE}")
        self.entity = find_entity(call)
        if self.uuid and self.uuid in self.entity.uuids:
            raise RefusedError(codes_im.ENTITY_UUID)
        if self.entity.message is not None and is_locked(call, self.entity.message):
            raise RefusedError(codes_im.ENTITY_LOCKED)
        if self.sequence <= self.entity.sequence:
            raise RefusedError(codes_im.SEQUENCE, "sequence number compare failed")
        per_second = call.settings.card_entity_qps if call.settings.rate_limits and not is_stream else 0
        key = ("entity", self.entity.card_id)
        if per_second and call.world.receiver_windows.take(key, [(per_second, 1.0)]):
            raise RefusedError(codes.RATE_LIMITED)

    def finish(self, card: dict[str, Any], failed: Code | None = None) -> dict[str, Any]:
        """Check the changed card, keep it, and return what the endpoint answers.

        Raises:
            RefusedError: `failed` around the reason, or the reason itself.
        """
        now = self.call.world.clock.get_time()
        try:
            check_entity_card(self.call, card)
        except RefusedError as refusal:
            if failed is None:
                raise
            reason = f"ErrMsg: msg: [{refusal.msg}], code: {refusal.code.number}; "
            raise RefusedError(failed._replace(msg=reason)) from None
        was = streams(self.entity.card)
        keep(self.entity, card, self.call.world.clock.get_time_ms())
        self.entity.sequence = int(self.sequence or 0)
        if self.uuid:
            self.entity.uuids.add(self.uuid)
        if streams(card) != was or (streams(card) and self._reopens()):
            self.entity.opened = now if streams(card) else None
        return {}

    def _reopens(self) -> bool:
        """Return whether this change sets the streaming mode, though it was on already."""
        return "streaming_mode" in f"{self.body.get('settings')}{self.body.get('actions')}"


def streams(card: dict[str, Any]) -> bool:
    """Return whether a card takes streamed text."""
    config = card.get("config")
    return isinstance(config, dict) and config.get("streaming_mode") is True


def parse_member(body: dict[str, Any], name: str) -> Any:
    """Return what a member holds that is JSON in a string.

    Raises:
        RefusedError: 99992402 (absent or no string), 10002 (no JSON).
    """
    raw = body.get(name)
    if not isinstance(raw, str) or not raw:
        refuse_parameter(name, raw, f"{name} is required and must be a string")
    try:
        return parse(raw)
    except orjson.JSONDecodeError:
        raise RefusedError(codes_im.ENTITY_PARAM, f"{name} is not valid json") from None


def check_entity_card(actor: Actor, card: object) -> dict[str, Any]:
    """Check a whole card.

    Returns:
        The card.

    Raises:
        RefusedError: 300307 (empty), 300303 (not 2.0), 300302 (`update_multi: false`), 200860 (too large),
            200610 (without a body), or what a message would say inside 230099, as the code itself.
    """
    if not isinstance(card, dict):
        raise RefusedError(codes_im.ENTITY_FAILED, "the card is not an object")
    if not card:
        raise RefusedError(codes_im.ENTITY_EMPTY)
    if card.get("schema") != "2.0":
        raise RefusedError(codes_im.ENTITY_SCHEMA)
    config = card.get("config")
    if isinstance(config, dict) and config.get("update_multi") is False:
        raise RefusedError(codes_im.ENTITY_NOT_SHARED)
    if len(orjson.dumps(card)) > actor.settings.max_card_bytes:
        raise RefusedError(codes_im.ENTITY_TOO_LARGE)
    if not isinstance(card.get("body"), dict):
        raise RefusedError(Code(BODY_MISSING, "body is nil"))
    try:
        check_object(card, actor.world, actor.settings, actor.app)
    except RefusedError as refusal:
        _refuse(refusal)
    return card


def _refuse(refusal: RefusedError) -> NoReturn:
    match = _SUB_CODE.search(refusal.msg)
    if match is None:
        raise refusal
    number, reason = int(match[1]), match[2].strip()
    if number == _LIMIT and _TOO_MANY in reason:
        raise RefusedError(codes_im.ENTITY_ELEMENTS)
    raise RefusedError(Code(number, reason))
