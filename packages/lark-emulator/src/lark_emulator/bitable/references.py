"""Values that name something else: people, groups, attachments, records of another table, places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.bitable.cells import Cell, WrongShapeError, require
from lark_emulator.codes import RefusedError
from lark_emulator.im.chats import get_avatar_url as chat_avatar_of

if TYPE_CHECKING:
    from lark_emulator.world.apps import App
    from lark_emulator.world.users import User

MAX_PEOPLE = 1000
MAX_LINKS = 500
MAX_ATTACHMENTS = 100
#: What media are uploaded as to become attachments.
ATTACHABLE = ("bitable_file", "bitable_image")


def _parse_ids(value: Any, limit: int) -> list[str]:
    require(isinstance(value, list) and len(value) <= limit)
    require(all(isinstance(item, dict) and isinstance(item.get("id"), str) for item in value))
    return list(dict.fromkeys(item["id"] for item in value))


def parse_people(cell: Cell, value: Any) -> list[User] | None:
    """Return the users that `[{"id": …}]` names."""
    users = []
    for user_id in _parse_ids(value, MAX_PEOPLE):
        try:
            user = cell.world.find_user(cell.app, cell.id_type, user_id)
        except RefusedError as error:  # another app's open_id, which Bitable reports in its own words
            raise WrongShapeError from error
        if user is None:
            raise WrongShapeError
        users.append(user)
    return users or None


def render_person(user: User, app: App, id_type: str) -> dict[str, Any]:
    """Return a user as Bitable shows one."""
    return {
        "id": user.get_id(app, id_type),
        "name": user.name,
        "en_name": user.en_name,
        "email": user.email,
        "avatar_url": f"https://emulator.invalid/avatar/{user.user_id}.png",
    }


def render_people(cell: Cell, value: Any) -> list[dict[str, Any]]:
    """Show users with their names."""
    return [render_person(user, cell.app, cell.id_type) for user in value]


def echo_people(cell: Cell, value: Any) -> list[dict[str, Any]]:
    """Show users as they were written."""
    return [{"id": user.get_id(cell.app, cell.id_type)} for user in value]


def parse_groups(cell: Cell, value: Any) -> list[str] | None:
    """Return the ids of the chats that `[{"id": …}]` names."""
    ids = _parse_ids(value, MAX_PEOPLE)
    require(all(chat_id in cell.world.chats for chat_id in ids))
    return ids or None


def render_groups(cell: Cell, value: Any) -> list[dict[str, Any]]:
    """Show chats with their names."""
    chats = [cell.world.chats[chat_id] for chat_id in value]
    return [{"id": chat.chat_id, "name": chat.name, "avatar_url": chat_avatar_of(chat)} for chat in chats]


def parse_attachments(cell: Cell, value: Any) -> list[str] | None:
    """Return the tokens of media that were uploaded to this base, as `[{"file_token": …}]` names them."""
    require(isinstance(value, list) and len(value) <= MAX_ATTACHMENTS)
    require(all(isinstance(item, dict) and isinstance(item.get("file_token"), str) for item in value))
    tokens = [item["file_token"] for item in value]
    for token in tokens:
        media = cell.world.drive.medias.get(token)
        if media is None or media.parent_type not in ATTACHABLE or media.document != cell.base.app_token:
            raise RefusedError(codes.ATTACHMENT_FOREIGN)
    return tokens or None


def render_attachments(cell: Cell, value: Any) -> list[dict[str, Any]]:
    """Show attachments with their names and where to download them."""
    where = f"{cell.origin}/open-apis/drive/v1/medias"
    medias = [cell.world.drive.medias[token] for token in value]
    return [
        {
            "file_token": media.token,
            "name": media.name,
            "size": len(media.content),
            "tmp_url": f"{where}/batch_get_tmp_download_url?file_tokens={media.token}",
            "type": media.content_type,
            "url": f"{where}/{media.token}/download",
        }
        for media in medias
    ]


def echo_attachments(_cell: Cell, value: Any) -> list[dict[str, Any]]:
    """Show attachments as they were written."""
    return [{"file_token": token} for token in value]


def parse_links(cell: Cell, value: Any) -> list[str] | None:
    """Return the ids of records that exist in the other table."""
    require(isinstance(value, list) and len(value) <= MAX_LINKS)
    target = cell.base.tables.get((cell.field.property or {}).get("table_id", ""))
    require(target is not None)
    require(all(isinstance(record_id, str) for record_id in value))
    if target is None or any(record_id not in target.records for record_id in value):
        raise WrongShapeError
    return list(dict.fromkeys(value)) or None


def render_links(cell: Cell, value: Any) -> dict[str, Any] | None:
    """Show the records that still exist; without any the cell is empty."""
    target = cell.base.tables.get((cell.field.property or {}).get("table_id", ""))
    shown = [] if target is None else [record_id for record_id in value if record_id in target.records]
    return {"link_record_ids": shown} if shown else None


def parse_location(_cell: Cell, value: Any) -> str:
    """Return `"longitude,latitude"` as it was written."""
    require(isinstance(value, str))
    longitude, comma, latitude = value.partition(",")
    try:
        require(bool(comma) and abs(float(longitude)) <= 180 and abs(float(latitude)) <= 90)  # noqa: PLR2004
    except ValueError:
        raise WrongShapeError from None
    return str(value)


def render_location(_cell: Cell, value: Any) -> dict[str, str]:
    """Show a place, of which only the coordinates are known."""
    place = dict.fromkeys(("address", "adname", "cityname", "full_address", "name", "pname"), "")
    return {**place, "location": value}
