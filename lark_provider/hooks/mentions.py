"""Resolve the e-mail addresses in mentions to the ids that Lark's texts and posts need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lark_provider.errors import InvalidRequestError, NotFoundError

if TYPE_CHECKING:
    from lark_provider.client import LarkServiceClient


def mention_ids(client: LarkServiceClient, mentions: str | Sequence[str]) -> list[str]:
    """Return whom to mention, with each e-mail address replaced by the person's open_id.

    It calls POST /open-apis/contact/v3/users/batch_get_id, only if there is an address.

    Args:
        client: Looks them up, and caches the results for a day.
        mentions: Open_ids, e-mail addresses, or "all"; one or several.

    Raises:
        InvalidRequestError: `mentions` is neither a str nor a list of str.
        NotFoundError: An address belongs to no account that the app may see.
        LarkError: The look-up failed; without the scope contact:user.id:readonly as PermissionDeniedError.
    """
    given = [mentions] if isinstance(mentions, str) else list(mentions or ())
    if not all(isinstance(one, str) for one in given):
        raise InvalidRequestError(
            f"mentions must be a str or a list of str, got {given!r}. Next: pass open_ids (ou_…), e-mail "
            "addresses, or 'all'."
        )
    people = [one.strip() for one in given if one.strip()]
    addresses = [one for one in people if "@" in one]
    found: Mapping[str, str | None] = client.contact.find_by_email(addresses) if addresses else {}
    if unknown := [one for one in addresses if not found[one]]:
        raise NotFoundError(
            f"mentions must name accounts that this app may see, got {', '.join(unknown)}. Next: check the "
            "address and the app's availability, or pass the open_id."
        )
    return list(dict.fromkeys(found.get(one) or one for one in people))
