"""What the official SDK does with messages and groups once they exist; a part of `test_every_endpoint`."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from tests.conformance.accounts import good

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.conformance.conftest import Sdk

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 16
GROUP = "oc_emulator_data_team"


def drive(lark: Emulator, sdk: Sdk, client: Any) -> None:
    api = client.im.v1
    message = _send(sdk, client, GROUP, "chat_id")
    _reactions(lark, sdk, api, message.message_id)
    _pins(sdk, api, message.message_id)
    _forwarding(sdk, api, message)
    _urgent(lark, sdk, api, message.message_id)
    _bubbles(sdk, client, api)
    _uploads(sdk, api)
    _batch(sdk, client, api)
    _groups(sdk, api)


def _send(sdk: Sdk, client: Any, receiver: str, kind: str) -> Any:
    body: dict[str, Any] = {"receive_id": receiver, "msg_type": "text", "content": '{"text":"loaded"}'}
    return good(client.im.v1.message.create(sdk.request(sdk.im, "CreateMessage", body, receive_id_type=kind)))


def _reactions(lark: Emulator, sdk: Sdk, api: Any, message_id: str) -> None:
    reactions = api.message_reaction
    body: dict[str, Any] = {"reaction_type": {"emoji_type": "DONE"}}
    created = good(
        reactions.create(sdk.request(sdk.im, "CreateMessageReaction", body, message_id=message_id))
    )
    assert (created.operator.operator_type, created.reaction_type.emoji_type) == ("app", "DONE")
    lark.react(message_id, "bob", "THUMBSUP")
    listed = good(
        reactions.list(
            sdk.request(sdk.im, "ListMessageReaction", message_id=message_id, user_id_type="user_id")
        )
    ).items
    assert [(reaction.reaction_type.emoji_type, reaction.operator.operator_id) for reaction in listed] == [
        ("DONE", lark.app_id),
        ("THUMBSUP", "bob"),
    ]
    body = {"queries": [{"message_id": message_id}, {"message_id": "om_none"}], "page_size_per_message": 1}
    results = good(reactions.batch_query(sdk.request(sdk.im, "BatchQueryMessageReaction", body)))
    assert results.success_msg_reaction_details[0].has_more is True
    assert [entry.count for entry in results.success_msg_reaction_counts[0].reaction_count] == ["1", "1"]
    assert results.fail_msg_reaction_details[0].fail_reason == "invalid"
    gone = good(
        reactions.delete(
            sdk.request(
                sdk.im, "DeleteMessageReaction", message_id=message_id, reaction_id=created.reaction_id
            )
        )
    )
    assert gone.reaction_id == created.reaction_id


def _pins(sdk: Sdk, api: Any, message_id: str) -> None:
    pin = good(api.pin.create(sdk.request(sdk.im, "CreatePin", {"message_id": message_id}))).pin
    assert (pin.message_id, pin.operator_id_type) == (message_id, "app_id")
    (listed,) = good(api.pin.list(sdk.request(sdk.im, "ListPin", chat_id=GROUP))).items
    assert listed.create_time == pin.create_time
    good(api.pin.delete(sdk.request(sdk.im, "DeletePin", message_id=message_id)))
    assert good(api.pin.list(sdk.request(sdk.im, "ListPin", chat_id=GROUP))).items == []


def _forwarding(sdk: Sdk, api: Any, message: Any) -> None:
    forwarded = good(
        api.message.forward(
            sdk.request(
                sdk.im,
                "ForwardMessage",
                {"receive_id": "carol"},
                message_id=message.message_id,
                receive_id_type="user_id",
            )
        )
    )
    assert (forwarded.msg_type, forwarded.body.content) == ("text", message.body.content)
    merged = good(
        api.message.merge_forward(
            sdk.request(
                sdk.im,
                "MergeForwardMessage",
                {"receive_id": GROUP, "message_id_list": [message.message_id, "om_none"]},
                receive_id_type="chat_id",
            )
        )
    )
    assert merged.message.body.content == "Merged and Forwarded Message"
    assert merged.invalid_message_id_list == ["om_none"]
    whole, part = good(
        api.message.get(sdk.request(sdk.im, "GetMessage", message_id=merged.message.message_id))
    ).items
    assert (part.upper_message_id, part.body.content) == (whole.message_id, message.body.content)
    body: dict[str, Any] = {"msg_type": "text", "content": '{"text":"why"}', "reply_in_thread": True}
    answer = good(api.message.reply(sdk.request(sdk.im, "ReplyMessage", body, message_id=message.message_id)))
    thread = good(
        api.thread.forward(
            sdk.request(
                sdk.im,
                "ForwardThread",
                {"receive_id": "bob"},
                thread_id=answer.thread_id,
                receive_id_type="user_id",
            )
        )
    )
    assert thread.msg_type == "merge_forward"


def _urgent(lark: Emulator, sdk: Sdk, api: Any, message_id: str) -> None:
    for kind in ("app", "sms", "phone"):
        name = f"Urgent{kind.capitalize()}Message"
        request = sdk.request(
            sdk.im,
            name,
            {"user_id_list": ["bob", "nobody"]},
            model="UrgentReceivers",
            message_id=message_id,
            user_id_type="user_id",
        )
        assert good(getattr(api.message, f"urgent_{kind}")(request)).invalid_user_id_list == ["nobody"]
    assert [(urgent["kind"], urgent["cost"]) for urgent in lark.state()["urgents"]] == [
        ("app", 0),
        ("sms", 1),
        ("phone", 1),
    ]
    lark.read_message(message_id, "bob")
    request = sdk.request(sdk.im, "ReadUsersMessage", message_id=message_id, user_id_type="user_id")
    (reader,) = good(api.message.read_users(request)).items
    assert (reader.user_id, reader.user_id_type) == ("bob", "user_id")


def _bubbles(sdk: Sdk, client: Any, api: Any) -> None:
    message = _send(sdk, client, "alice", "user_id")
    body: dict[str, Any] = {"follow_ups": [{"content": "again"}]}
    good(
        api.message.push_follow_up(
            sdk.request(sdk.im, "PushFollowUpMessage", body, message_id=message.message_id)
        )
    )


def _uploads(sdk: Sdk, api: Any) -> None:
    parts = {"image_type": "message", "image": io.BytesIO(PNG)}
    key = good(api.image.create(sdk.request(sdk.im, "CreateImage", parts))).image_key
    download = api.image.get(sdk.request(sdk.im, "GetImage", image_key=key))
    good(download)
    assert download.file.read() == PNG
    parts = {"file_type": "stream", "file_name": "a.csv", "file": io.BytesIO(b"a,b")}
    key = good(api.file.create(sdk.request(sdk.im, "CreateFile", parts))).file_key
    download = api.file.get(sdk.request(sdk.im, "GetFile", file_key=key))
    good(download)
    assert (download.file.read(), download.file_name) == (b"a,b", "a.csv")


def _batch(sdk: Sdk, client: Any, api: Any) -> None:
    body: dict[str, Any] = {
        "msg_type": "text",
        "content": {"text": "to all"},
        "user_ids": ["alice", "bob", "nobody"],
    }
    sent = client.request(sdk.plain("POST", "/open-apis/message/v4/batch_send/", body))
    good(sent)
    data = json.loads(sent.raw.content)["data"]
    assert data["invalid_user_ids"] == ["nobody"]
    which = {"batch_message_id": data["message_id"]}
    batch = api.batch_message
    progress = good(batch.get_progress(sdk.request(sdk.im, "GetProgressBatchMessage", **which)))
    assert progress.batch_message_send_progress.success_user_ids_count == 2
    read = good(batch.read_user(sdk.request(sdk.im, "ReadUserBatchMessage", **which))).read_user
    assert (read.read_count, read.total_count) == ("0", "2")
    good(batch.delete(sdk.request(sdk.im, "DeleteBatchMessage", **which)))


def _groups(sdk: Sdk, api: Any) -> None:
    body: dict[str, Any] = {"name": "Releases", "chat_type": "public", "user_id_list": ["alice", "bob"]}
    chat_id = good(api.chat.create(sdk.request(sdk.im, "CreateChat", body, user_id_type="user_id"))).chat_id
    body = {"name": "Releases 2026", "urgent_setting": "only_owner"}
    good(api.chat.update(sdk.request(sdk.im, "UpdateChat", body, chat_id=chat_id)))
    shown = good(api.chat.get(sdk.request(sdk.im, "GetChat", chat_id=chat_id)))
    assert (shown.name, shown.urgent_setting) == ("Releases 2026", "only_owner")
    (chat,) = good(api.chat.search(sdk.request(sdk.im, "SearchChat", query="releases"))).items
    assert chat.chat_id == chat_id
    shared = good(
        api.chat.link(sdk.request(sdk.im, "LinkChat", {"validity_period": "week"}, chat_id=chat_id))
    )
    assert shared.is_permanent is False
    managers = api.chat_managers
    body = {"manager_ids": ["alice"]}
    where = {"chat_id": chat_id, "member_id_type": "user_id"}
    added = good(managers.add_managers(sdk.request(sdk.im, "AddManagersChatManagers", body, **where)))
    assert added.chat_managers == ["alice"]
    good(managers.delete_managers(sdk.request(sdk.im, "DeleteManagersChatManagers", body, **where)))
    members = api.chat_members
    good(members.delete(sdk.request(sdk.im, "DeleteChatMembers", {"id_list": ["bob"]}, **where)))
    good(members.me_join(sdk.request(sdk.im, "MeJoinChatMembers", chat_id=chat_id)))
    good(api.chat.delete(sdk.request(sdk.im, "DeleteChat", chat_id=chat_id)))
