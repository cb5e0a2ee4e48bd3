"""Resolve the people who may answer a question to the ids that clicks carry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from lark_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from lark_provider.hooks.lark import LarkHook

_IN_EVERY_CLICK = {"open_id", "union_id"}


def resolve_comparable_ids(
    hook: Callable[[], LarkHook], names: str | Sequence[str] | None, argument: str
) -> tuple[str, ...]:
    """Resolve people to ids that every click carries: open_ids, or union_ids as they are.

    A click carries no e-mail address and no mobile number. It carries a user_id only if the app has a scope
    for it, and a user_id is unique only within its tenant. So these are resolved before the card is sent
    (POST /open-apis/contact/v3/users/batch_get_id, GET /open-apis/contact/v3/users/batch).

    Args:
        hook: Returns the hook of the app's connection, which looks people up; called only if that is needed.
        names: Open_ids, union_ids, user_ids, e-mail addresses, mobile numbers, or names from the
            connection's `receivers`; or one of them. None, or an empty list, for all users.
        argument: Names the argument in errors.

    Raises:
        ConfigurationError: A name is empty, is a chat's, or belongs to no user whom the app may see.
        LarkError: Lark refused the look-up, or was unreachable.
    """
    if names is None or (not isinstance(names, str) and not names):
        return ()
    people = [names] if isinstance(names, str) else list(names)
    for name in people:
        # If a template renders to an empty value, the question must not be open to all users.
        if not isinstance(name, str) or not name.strip():
            raise ConfigurationError(
                f"{argument} must be a list of names, got {name!r} in it. Next: pass open_ids or e-mail "
                "addresses, or leave the argument out for all users."
            )
    resolved = {name: name for name in people if name.startswith(("ou_", "on_"))}
    unknown = [name for name in people if name not in resolved]
    if unknown:
        resolved |= _look_up(hook(), unknown, argument)
    return tuple(dict.fromkeys(resolved[name] for name in people))


def _look_up(hook: LarkHook, names: Sequence[str], argument: str) -> Mapping[str, str]:
    from lark_provider.api.receivers import make_receiver

    resolved: dict[str, str] = {}
    by_kind: dict[str, dict[str, str]] = {}
    for name in names:
        person = make_receiver(hook.alias(name))
        if person.id_type in _IN_EVERY_CLICK:
            resolved[name] = person.id
        elif person.id_type == "chat_id":
            raise ConfigurationError(
                f"{argument} must name people, got the chat {name!r}. Next: name people; if the argument is "
                "left out, every member of the chat may answer."
            )
        else:
            by_kind.setdefault(person.id_type, {})[name] = person.id
    contact = hook.client.contact
    for kind, wanted in by_kind.items():
        ids = list(wanted.values())
        if kind == "user_id":
            users = contact.get_users(ids, user_id_type="user_id")
            open_ids = {
                user_id: None if user is None else user.get("open_id") for user_id, user in users.items()
            }
        else:
            open_ids = contact.find_by_email(ids) if kind == "email" else contact.find_by_mobile(ids)
        for name, value in wanted.items():
            open_id = open_ids[value]
            if not open_id:
                raise ConfigurationError(
                    f"{argument} must name users whom this app may see, got {name!r}, which is not the "
                    f"{kind} of one. Next: check it, and that the app is available to the person; or pass "
                    "the open_id."
                )
            resolved[name] = open_id
    return resolved
