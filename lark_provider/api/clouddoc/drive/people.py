"""The people and chats with whom a document is shared, and their roles."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

from lark_provider.api.receivers import Receiver, find_open_id, make_receiver
from lark_provider.protocol.errors import InvalidRequestError, make_unknown_choice_error
from lark_provider.protocol.operations import Procedure

Role: TypeAlias = Literal["view", "edit", "full_access"]
ROLES: tuple[Role, ...] = get_args(Role)
"""All roles, from the weakest to the strongest."""
WRONG_MEMBER = 1063001
_DEPARTMENTS, _APPS = ("od-", "od_"), ("cli_",)


@dataclass(frozen=True, slots=True)
class Share:
    """One grant that is wanted.

    Attributes:
        who: A person by open_id (`ou_…`), union_id (`on_…`), user_id, e-mail address or mobile number
            (`+…`); or a chat (`oc_…`), for all of its members.
        role: `view`, `edit` or `full_access`.
    """

    who: str
    role: Role = "view"


class Member(NamedTuple):
    """A person or chat as Lark names them in permissions.

    Attributes:
        id: The open_id, or the chat's id.
        type: `openid` or `openchat`.
        name: What the caller passed, for errors.
    """

    id: str
    type: str
    name: str

    @property
    def kind(self) -> str:
        """What it is: `user` or `chat`."""
        return "chat" if self.type == "openchat" else "user"


class WantedGrant(NamedTuple):
    """A grant whose person or chat was found."""

    member: Member
    role: Role


@dataclass(frozen=True, slots=True)
class Grant:
    """Who may open a document, as it is.

    Attributes:
        id: The open_id, or the chat's id.
        member_type: `openid`, `openchat`, or another of Lark's.
        role: `view`, `edit` or `full_access`.
        type: `user`, `chat`, …
        name: The name, where Lark shows it.
    """

    id: str
    member_type: str
    role: str
    type: str = ""
    name: str = ""

    @classmethod
    def of(cls, data: dict[str, Any]) -> Grant:
        """Read an item of Lark's list."""
        return cls(
            data.get("member_id") or "",
            data.get("member_type") or "",
            data.get("perm") or "",
            data.get("type") or "",
            data.get("name") or "",
        )


def at_least(role: str, wanted: str) -> bool:
    """Return whether a role allows all that another one does."""
    return role in ROLES and ROLES.index(role) >= ROLES.index(wanted)


def check_role(role: object) -> Role:
    """Check a role.

    Args:
        role: What a caller passed.

    Raises:
        InvalidRequestError: There is no such role.
    """
    for known_role in ROLES:
        if role == known_role:
            return known_role
    raise make_unknown_choice_error("role", role, ROLES, WRONG_MEMBER)


def check_shares(shares: Iterable[Share]) -> list[tuple[Receiver, Share]]:
    """Check grants as far as possible without a request.

    Args:
        shares: What a caller passed.

    Returns:
        The grants, each with the kind of its id.

    Raises:
        InvalidRequestError: One is invalid.
    """
    if isinstance(shares, str | Share) or not isinstance(shares, Iterable):
        raise InvalidRequestError(
            f"share_with must be a list of Share, got {shares!r:.120}. Next: write [Share('ou_…', 'view')].",
            code=WRONG_MEMBER,
        )
    checked = []
    for share in shares:
        if not isinstance(share, Share):
            raise InvalidRequestError(
                f"share_with must hold Share objects, got {share!r:.120}. Next: write "
                "[Share('ou_…', 'view')].",
                code=WRONG_MEMBER,
            )
        check_role(share.role)
        checked.append((check_receiver(share.who), share))
    return checked


def check_receiver(who: object) -> Receiver:
    """Return a person or chat with the kind of its id.

    Args:
        who: What a caller passed.

    Raises:
        InvalidRequestError: It is empty, or of a kind that an app cannot share with.
    """
    text = who.strip() if isinstance(who, str) else ""
    if not text:
        raise InvalidRequestError(
            f"A person or chat must be a non-empty string, got {who!r}. Next: pass an open_id (ou_…), a chat "
            "id (oc_…), an e-mail address or a mobile number (+…).",
            code=WRONG_MEMBER,
        )
    if text.startswith(_DEPARTMENTS):
        raise InvalidRequestError(
            f"A document must be shared with people or chats, got the department {text}: Lark lets no app "
            "share with departments. Next: share with a chat of its people, to which the app's bot was "
            "added.",
            code=WRONG_MEMBER,
        )
    if text.startswith(_APPS):
        raise InvalidRequestError(
            f"A document must be shared with people or chats, got the app {text}. Next: add that app's bot "
            "to a chat, and share with the chat.",
            code=WRONG_MEMBER,
        )
    return make_receiver(text)


def find_member(who: str) -> Procedure[Member]:
    """Find a person or chat that a caller named.

    Args:
        who: A person by open_id (`ou_…`), union_id (`on_…`), user_id, e-mail address or mobile number (`+…`);
            or a chat (`oc_…`).

    Raises:
        InvalidRequestError: It is invalid.
        NotFoundError: No user visible to the app has the id, address or number.
        PermissionDeniedError: The app lacks a scope to look people up.
    """
    to = check_receiver(who)
    if to.id_type == "chat_id":
        return Member(to.id, "openchat", who)
    open_id = yield from find_open_id(to.id, "A person")
    return Member(open_id, "openid", who)


def resolve_shares(shares: Iterable[Share]) -> Procedure[list[WantedGrant]]:
    """Find the people and chats of grants, each once with the strongest role that is wanted.

    Args:
        shares: The grants.

    Raises:
        InvalidRequestError: One is invalid.
        NotFoundError: A person is not visible to the app.
    """
    grants: dict[str, WantedGrant] = {}
    for _, share in check_shares(shares):
        member = yield from find_member(share.who)
        before = grants.get(member.id)
        if before is None or not at_least(before.role, share.role):
            grants[member.id] = WantedGrant(member, share.role)
    return list(grants.values())
