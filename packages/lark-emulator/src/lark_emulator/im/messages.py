"""`/im/v1/messages`: send, reply, read, list. What changes a message afterwards is in `changes`."""

from __future__ import annotations

from typing import Any

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.im import card_entities, cards, receiving
from lark_emulator.im.content import UNCONFIRMED, Content, check_content
from lark_emulator.im.shown import render
from lark_emulator.routing import Call, Route
from lark_emulator.validation import (
    cut_page,
    read_bounded_page_size,
    read_choice,
    read_json_object,
    read_optional_text,
    read_timestamp,
    read_user_id_type,
    refuse_parameter,
    require_text,
)
from lark_emulator.world.chats import Chat, Message
from lark_emulator.world.users import User

RECEIVE_ID_TYPES = ("open_id", "union_id", "user_id", "email", "chat_id")
MAX_UUID_LENGTH = 50
SEND_AS_USER = "im:message.send_as_user"
#: Statuses of those whom no message reaches any more.
GONE = ("resigned", "exited")
MAX_PER_PAGE = 50


def create(call: Call) -> dict[str, Any]:
    """Answer `POST /im/v1/messages`."""
    _check_may_send(call)
    id_type = read_choice(call.query, "receive_id_type", RECEIVE_ID_TYPES)
    body = read_json_object(call, codes.IM_PARAM)
    receive_id = require_text(body, "receive_id")
    receiver = find_receiver(call, id_type, receive_id)
    content = read_content(call, body)
    _check_system(call, content, receiver)
    uuid = read_optional_text(body, "uuid", longest=MAX_UUID_LENGTH)
    replayed = find_replayed_message(call, uuid)
    if replayed is not None:
        return render(replayed, call)
    chat = receiver if isinstance(receiver, Chat) else call.world.ensure_p2p_chat(call.author, receiver)
    message = post(call, chat, content, uuid)
    receiving.announce_message(call.world, message)
    return render(message, call)


def reply(call: Call) -> dict[str, Any]:
    """Answer `POST /im/v1/messages/:message_id/reply`."""
    _check_may_send(call)
    if call.params["message_id"].startswith("omt_"):  # of a thread
        raise RefusedError(codes.MESSAGE_ID_NOT_EXISTED)
    parent, chat = require_visible_message(call)
    body = read_json_object(call, codes.IM_PARAM)
    content = read_content(call, body)
    _check_system(call, content, chat)
    uuid = read_optional_text(body, "uuid", longest=MAX_UUID_LENGTH)
    in_thread = body.get("reply_in_thread", False)
    if not isinstance(in_thread, bool):
        refuse_parameter("reply_in_thread", in_thread, "reply_in_thread must be a boolean")
    replayed = find_replayed_message(call, uuid)
    if replayed is not None:
        return render(replayed, call)
    message = post(call, chat, content, uuid)
    attach(call, message, parent, in_thread=in_thread)
    receiving.announce_message(call.world, message)
    return render(message, call)


def attach(call: Call, message: Message, parent: Message, *, in_thread: bool = False) -> None:
    """Make a message the reply to another one of its chat, in a thread if asked to or if that is in one."""
    message.parent_id = parent.message_id
    message.root_id = parent.root_id or parent.message_id
    if in_thread or parent.thread_id:
        message.in_thread = True
        if parent.in_thread:  # whatever is answered in a thread, the parent is the message that opened it
            message.parent_id = parent.parent_id
        message.thread_id = parent.thread_id = parent.thread_id or call.world.make_id("omt_", 16)


def get(call: Call) -> dict[str, Any]:
    """Answer `GET /im/v1/messages/:message_id`."""
    read_user_id_type(call)
    message, _ = require_visible_message(call, recalled_too=True)
    return {"items": [render(part, call) for part in (message, *message.parts)]}


def list_messages(call: Call) -> dict[str, Any]:
    """Answer `GET /im/v1/messages`: the messages of a chat or of a thread."""
    kind = read_choice(call.query, "container_id_type", ("chat", "thread"))
    container = require_text(dict(call.query), "container_id")
    order = read_choice(
        call.query, "sort_type", ("ByCreateTimeAsc", "ByCreateTimeDesc"), default="ByCreateTimeAsc"
    )
    size = read_bounded_page_size(call, limit=MAX_PER_PAGE)
    start, end = (
        read_timestamp(call, name, "seconds", codes.IM_PARAM) for name in ("start_time", "end_time")
    )
    if start is not None and end is not None and end < start:
        raise RefusedError(codes.IM_PARAM, "The end_time is earlier than the start_time")
    if kind == "chat":
        chat = call.world.chats.get(container)
        if chat is None:
            raise RefusedError(codes.IM_PARAM, "invalid container_id")
        require_member(call, chat)
        # Replies within a thread are listed with container_id_type=thread, except the one that opened it.
        messages = [m for m in chat.messages if not m.in_thread]
        if start is not None:
            messages = [m for m in messages if m.create_time >= start * 1000]
        if end is not None:
            messages = [m for m in messages if m.create_time <= end * 1000 + 999]
    else:
        if start is not None or end is not None:
            raise RefusedError(codes.IM_PARAM, "threads take no start_time or end_time")
        messages = [m for m in call.world.messages.values() if m.thread_id == container]
        if not messages:
            raise RefusedError(codes.IM_PARAM, "invalid container_id")
        require_member(call, call.world.chats[messages[0].chat_id])
    if order == "ByCreateTimeDesc":
        messages = messages[::-1]
    items, more = cut_page(messages, call, size, codes.IM_PARAM)
    return {"items": [render(m, call) for m in items], **more}


def _check_may_send(call: Call) -> None:
    """Check that a user allowed the app to write in their name, beyond what the endpoint asks for."""
    if call.user is not None and not call.has_any(SEND_AS_USER):
        raise RefusedError(codes.LACKS_PERMISSION, f"requires {SEND_AS_USER} scope.")


def read_content(call: Call, body: dict[str, Any]) -> Content:
    """Return the checked `msg_type` and `content` of a body."""
    return check_content(call, require_text(body, "msg_type"), require_text(body, "content"))


def _check_system(call: Call, content: Content, receiver: Chat | User) -> None:
    """Check that a system message goes from a bot to one person: groups and users' own chats have none."""
    to_one = isinstance(receiver, User) or receiver.mode == "p2p"
    if content.msg_type == "system" and (call.user is not None or not to_one):
        raise RefusedError(codes.MESSAGE_TYPE_UNSUPPORTED)


def find_receiver(call: Call, id_type: str, receive_id: str) -> Chat | User:
    """Find the chat or the user that a message is for, and check that the caller may write there."""
    if id_type == "chat_id":
        chat = call.world.chats.get(receive_id)
        if chat is None:
            raise RefusedError(codes.RECEIVE_ID_INVALID)
        require_open(chat)
        require_member(call, chat)
        return chat
    user = call.world.find_user(call.app, id_type, receive_id)
    if user is None:
        raise RefusedError(codes.RECEIVE_ID_INVALID)
    if user.is_external:
        raise RefusedError(codes.CROSS_TENANT_P2P)
    if user.status in GONE:
        raise RefusedError(codes.USER_RESIGNED)
    if not call.app.sees(user.user_id):
        raise RefusedError(codes.NO_AVAILABILITY)
    return user


def find_replayed_message(call: Call, uuid: str) -> Message | None:
    """Return the message that this app sent with the same uuid within the window."""
    if not uuid:
        return None
    known = call.world.message_uuids.get((call.app.app_id, uuid))
    if known is None or call.world.clock.get_time() - known[1] >= call.settings.uuid_window:
        return None
    if call.settings.uuid_replay == "error":
        raise RefusedError(codes.IM_PARAM, "uuid was used already")
    return call.world.messages[known[0]]


def post(call: Call, chat: Chat, content: Content, uuid: str = "") -> Message:
    """Send a message to a chat.

    Raises:
        RefusedError: 230020 (too many messages a second for this user or group), or 230099 (its card entity
            was sent before).
    """
    world = call.world
    if content.msg_type == "interactive":
        cards.bind_entity(call, content.sent)
    per_second = call.settings.receiver_qps if call.settings.rate_limits else 0
    if per_second and world.receiver_windows.take(_get_receiver_key(chat), [(per_second, 1.0)]):
        raise RefusedError(codes.RECEIVER_FREQUENCY)
    message = put(call, chat, content, uuid)
    if uuid:
        world.message_uuids[call.app.app_id, uuid] = (message.message_id, world.clock.get_time())
    return message


def put(call: Call, chat: Chat, content: Content, uuid: str = "") -> Message:
    """Put a message into a chat, however many came before."""
    world = call.world
    now = world.clock.get_time_ms()
    message = Message(
        message_id=world.make_id("om_"),
        chat_id=chat.chat_id,
        msg_type=content.msg_type,
        content=content.shown,
        sent=content.sent,
        app_id=call.app.app_id,
        create_time=now,
        update_time=now,
        mentions=content.mentions,
        uuid=uuid,
        tenant_key=call.tenant_key,
        user_id="" if call.user is None else call.user.user_id,
    )
    card_entities.show_entity(world, message)
    chat.messages.append(message)
    chat.active_time = now
    world.messages[message.message_id] = message
    return message


def _get_receiver_key(chat: Chat) -> str:
    """Return what the limit per receiver counts by: the user of a p2p chat, whichever bot writes."""
    return f"user {next(iter(chat.users))}" if chat.mode == "p2p" and chat.bots else chat.chat_id


def require_visible_message(
    call: Call, message_id: str | None = None, *, recalled_too: bool = False
) -> tuple[Message, Chat]:
    """Return a message and its chat.

    Args:
        call: The request; its app's bot, or its user, must be in the chat.
        message_id: The id of the message; that in the path if absent.
        recalled_too: Whether the message is only read, which also works with a recalled one.

    Raises:
        RefusedError: 230001 (no such message), 232009 (its chat is dissolved), 230002 (the bot is not in its
            chat), 230011 (recalled).
    """
    message = call.world.messages.get(call.params["message_id"] if message_id is None else message_id)
    if message is None:
        raise RefusedError(codes.IM_PARAM, "invalid message_id")
    chat = call.world.chats[message.chat_id]
    if not recalled_too:  # a read: its page names no code for a chat that is dissolved
        require_open(chat)
    require_member(call, chat)
    if message.deleted and not recalled_too:
        raise RefusedError(codes.MESSAGE_RECALLED)
    return message, chat


def require_open(chat: Chat) -> None:
    """Refuse with 232009 what happens in a chat that is dissolved."""
    if chat.dissolved:
        raise RefusedError(codes.CHAT_DISSOLVED)


def require_member(call: Call, chat: Chat) -> None:
    """Refuse with 230002 an app whose bot, or a user who, is not in a chat."""
    if not chat.has(call.who):
        raise RefusedError(codes.BOT_NOT_IN_CHAT)


_PATH = "/open-apis/im/v1/messages"
_UUID = (
    "a repeated `uuid` answers with the first message (settable, `uuid_replay`: else 230001); kept per app"
)

ROUTES = (
    Route(
        "POST",
        _PATH,
        create,
        unconfirmed=(
            _UUID,
            receiving.UNCONFIRMED,
            "unknown receivers of any id type get 230034",
            "resigned and exited receivers get 230029; frozen ones, and who has not joined, are written to",
            *UNCONFIRMED,
            "what a card 1.0 reads as besides its texts; the picture in the place of a card 2.0",
            "`raw_card_content` holds the card as it was sent, Lark's has a form of its own",
        ),
    ),
    Route("GET", _PATH, list_messages, unconfirmed=("a recalled message's content is not JSON",)),
    Route(
        "GET",
        f"{_PATH}/:message_id",
        get,
        unconfirmed=("an unknown message_id gets 230001", "a recalled message's content is not JSON"),
    ),
    Route(
        "POST",
        f"{_PATH}/:message_id/reply",
        reply,
        unconfirmed=(_UUID, *UNCONFIRMED, "when a thread_id appears"),
    ),
)
