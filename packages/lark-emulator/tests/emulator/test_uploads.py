"""Images and files: up, into messages, and down again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.emulator.conftest import Api
from tests.emulator.test_messages import GROUP, MARKDOWN, card, send

if TYPE_CHECKING:
    from lark_emulator import Emulator

MIB = 1024 * 1024


def png(width: int = 1, height: int = 1) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + width.to_bytes(4) + height.to_bytes(4)


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + width.to_bytes(2, "little") + height.to_bytes(2, "little")


def upload(api: Api, path: str, fields: dict[str, str], **files: Any) -> Any:
    answer = api.http.post(f"/open-apis/im/v1/{path}", data=fields, files=files)
    return {**answer.json(), "http": answer.status_code}


def image(api: Api, content: bytes, kind: str = "message") -> Any:
    return upload(api, "images", {"image_type": kind}, image=("x", content))


def file(api: Api, content: bytes = b"x", kind: str = "stream", name: str = "x.bin", **more: str) -> Any:
    fields = {"file_type": kind, "file_name": name, **more}
    return upload(api, "files", fields, file=("other.bin", content))


def download(api: Api, message_id: str, key: str, kind: str = "file") -> Any:
    return api.http.get(f"/open-apis/im/v1/messages/{message_id}/resources/{key}", params={"type": kind})


def send_checked(api: Api, msg_type: str, **content: str) -> str:
    answer = send(api, msg_type, content)
    assert answer["code"] == 0, answer
    return str(answer["data"]["message_id"])


@pytest.mark.parametrize(
    ("content", "extension", "kind"),
    [
        (png(), "png", "image/png"),
        (b"\xff\xd8\xff\xe0", "jpg", "image/jpeg"),
        (gif(1, 1), "gif", "image/gif"),
        (b"RIFF\n\0\0\0WEBP", "webp", "image/webp"),
        (b"BM1", "bmp", "image/bmp"),
        (b"\0\0\x01\0", "ico", "image/x-icon"),
        (b"II*\0", "tiff", "image/tiff"),
        (b"\0\0\0\x18ftypheic", "heic", "image/heic"),
    ],
)
def test_images_go_up_and_come_down(api: Api, content: bytes, extension: str, kind: str) -> None:
    key = image(api, content)["data"]["image_key"]
    assert key.startswith("img_")
    answer = download(api, send_checked(api, "image", image_key=key), key, "image")
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, content, kind)
    assert f'filename="{key}.{extension}"' in answer.headers["content-disposition"]
    assert answer.headers["x-tt-logid"]


@pytest.mark.parametrize(
    ("name", "kind", "spelled"),
    [
        ("report.pdf", "application/pdf", "report.pdf"),
        ("日报 1.csv", "text/csv", "%E6%97%A5%E6%8A%A5%201.csv"),
        ('a"b;c\\d', "application/octet-stream", "a%22b%3Bc%5Cd"),
    ],
)
def test_files_keep_their_names(api: Api, name: str, kind: str, spelled: str) -> None:
    key = file(api, b"\0\xff", name=name)["data"]["file_key"]
    answer = download(api, send_checked(api, "file", file_key=key), key)
    assert (answer.content, answer.headers["content-type"]) == (b"\0\xff", kind)
    assert answer.headers["content-disposition"].endswith(f"filename*=UTF-8''{spelled}")


@pytest.mark.parametrize(
    ("content", "kind", "code"),
    [
        (b"", "message", 234010),
        (b"no image", "message", 234011),
        (b"%PDF-1.7", "message", 234011),
        (png(), "sticker", 234001),
        (png(12_000, 1), "message", 0),
        (png(1, 12_001), "message", 234039),
        (png(4097), "avatar", 234039),
        (gif(2001, 1), "message", 234039),
        (gif(2000, 2000), "avatar", 0),
        (png() + b"\0" * 10 * MIB, "message", 234006),
    ],
)
def test_limits_of_images(api: Api, content: bytes, kind: str, code: int) -> None:
    answer = image(api, content, kind)
    assert (answer["code"], answer["http"]) == (code, 400 if code else 200)


@pytest.mark.parametrize(
    ("content", "changed", "code"),
    [
        (b"", {}, 234010),
        (b"x", {"file_type": "csv"}, 234001),
        (b"x", {"file_name": ""}, 234001),
        (b"x", {"duration": "1.5"}, 234001),
        (b"x", {"duration": "9" * 5000}, 234001),
        (b"x", {"duration": "-1"}, 234001),
        (b"x", {"duration": "1500"}, 0),
        (b"x" * (30 * MIB + 1), {}, 234006),
    ],
)
def test_limits_of_files(api: Api, content: bytes, changed: dict[str, str], code: int) -> None:
    fields = {"file_type": "stream", "file_name": "x", **changed}
    assert upload(api, "files", fields, file=("x", content))["code"] == code


def test_limits_are_settings(api: Api, lark: Emulator) -> None:
    lark.settings(max_file_bytes=3, max_image_bytes=len(png()))
    assert [file(api, b"x" * size)["code"] for size in (3, 4)] == [0, 234006]
    assert [image(api, png() + more)["code"] for more in (b"", b"x")] == [0, 234006]


def test_uploads_without_their_parts(api: Api) -> None:
    assert upload(api, "images", {"image_type": "message"}, other=("x", png()))["code"] == 234001
    assert upload(api, "files", {"file_name": "x"}, file=("x", b"x"))["code"] == 234001
    assert api("POST", "/im/v1/images", {"image_type": "message"})["code"] == 234001


@pytest.mark.parametrize(
    ("file_type", "msg_type", "code"),
    [
        ("stream", "file", 0),
        ("pdf", "file", 0),
        ("opus", "audio", 0),
        ("mp4", "media", 0),
        ("mp4", "file", 230055),
        ("stream", "media", 230055),
        ("pdf", "audio", 230055),
    ],
)
def test_a_file_is_sent_as_what_it_was_uploaded_as(
    api: Api, file_type: str, msg_type: str, code: int
) -> None:
    key = file(api, kind=file_type)["data"]["file_key"]
    assert send(api, msg_type, {"file_key": key})["code"] == code


def test_keys_are_looked_up_before_they_are_sent(api: Api, lark: Emulator) -> None:
    picture, avatar = (image(api, png(), kind)["data"]["image_key"] for kind in ("message", "avatar"))
    video = file(api, kind="mp4")["data"]["file_key"]
    assert send(api, "image", {"image_key": avatar})["code"] == 230055
    for content in ({"image_key": "img_none"}, {"image_key": video}):
        answer = send(api, "image", content)
        assert (answer["code"], "invalid image_key" in answer["msg"]) == (230001, True)
    assert "invalid file_key" in send(api, "file", {"file_key": picture})["msg"]
    assert send(api, "media", {"file_key": video, "image_key": "img_none"})["code"] == 230001
    assert send(api, "media", {"file_key": video, "image_key": picture})["code"] == 0
    app = lark.add_app("cli_two", "s")
    chat = lark.add_chat("Theirs", bots=[app["app_id"]])["chat_id"]
    other = Api(lark, "cli_two", "s")
    body = {"receive_id": chat, "msg_type": "image", "content": json.dumps({"image_key": picture})}
    assert other("POST", "/im/v1/messages", body, receive_id_type="chat_id")["code"] == 230017
    other.http.close()


def test_posts_carry_uploads_too(api: Api) -> None:
    def post(*elements: Any) -> Any:
        return send(api, "post", {"zh_cn": {"title": "", "content": [list(elements)]}})

    picture = image(api, png())["data"]["image_key"]
    video = file(api, b"v", kind="mp4")["data"]["file_key"]
    answer = post({"tag": "img", "image_key": picture}, {"tag": "media", "file_key": video})
    message_id = answer["data"]["message_id"]
    assert download(api, message_id, picture, "image").content == png()
    assert download(api, message_id, video).content == b"v"
    assert post({"tag": "img", "image_key": "img_none"})["code"] == 230001
    assert post({"tag": "img"})["code"] == 230001


def test_downloads_that_are_refused(api: Api, lark: Emulator) -> None:
    key = file(api)["data"]["file_key"]
    message_id = send_checked(api, "file", file_key=key)
    text = api.send()["data"]["message_id"]
    shown = send(api, "interactive", card(MARKDOWN))["data"]["message_id"]
    app = lark.add_app("cli_two", "s")
    other = Api(lark, "cli_two", app["app_secret"])
    recalled = send_checked(api, "file", file_key=key)
    assert api("DELETE", f"/im/v1/messages/{recalled}")["code"] == 0
    for who, where, what, kind, code in (
        (api, message_id, "file_none", "file", 234003),
        (api, text, key, "file", 234003),
        (api, message_id, key, "image", 234001),
        (api, message_id, key, "sound", 234001),
        (api, "om_none", key, "file", 234001),
        (api, shown, key, "file", 234043),
        (api, recalled, key, "file", 230110),
        (other, message_id, key, "file", 234004),
    ):
        answer = download(who, where, what, kind)
        assert (answer.json()["code"], answer.status_code) == (code, 400), (where, what, kind)
    other.http.close()


def test_a_key_that_nothing_was_uploaded_under_is_in_no_message(api: Api, lark: Emulator) -> None:
    said = lark.say("alice", chat_id=GROUP, msg_type="image", content={"image_key": "img_none"})
    answer = download(api, said["message_id"], "img_none", "image")
    assert (answer.status_code, answer.json()["code"]) == (400, 234003)
    assert lark.state(summary=True)["crashes"] == 0


def test_the_state_counts_uploads_and_shows_no_bytes(api: Api, lark: Emulator) -> None:
    key = file(api, b"secret", duration="1500", name="a.bin")["data"]["file_key"]
    image(api, png())
    assert lark.state(summary=True)["upload_count"] == 2
    first = lark.state()["uploads"][0]
    assert first.pop("create_time") > 0
    assert first == {
        "key": key,
        "type": "stream",
        "app_id": lark.app_id,
        "file_name": "a.bin",
        "size": 6,
        "duration": 1500,
    }
    assert "uploads" not in lark.state(summary=True)
    lark.reset()
    assert lark.state()["uploads"] == []


def test_messages_with_files_read_back(api: Api) -> None:
    key = file(api)["data"]["file_key"]
    message_id = send_checked(api, "file", file_key=key)
    (read,) = api.data("GET", f"/im/v1/messages/{message_id}")["items"]
    (listed,) = api.data("GET", "/im/v1/messages", container_id_type="chat", container_id=GROUP)["items"]
    assert read == listed
    assert (read["msg_type"], json.loads(read["body"]["content"])) == ("file", {"file_key": key})
