"""Resolve the e-mail addresses in mentions to the ids that Lark's texts and posts need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lark_provider.errors import NotFoundError
from lark_provider.protocol.arguments import check_one_or_more

if TYPE_CHECKING:
    from lark_provider.client import LarkServiceClient


def mention_ids(client: LarkServiceClient, mentions: str | Sequence[str]) -> list[str]:
    """Return the people to mention, with each e-mail address replaced by the person's open_id.

    It calls POST /open-apis/contact/v3/users/batch_get_id, only if there is an address.

    Args:
        client: The client that looks them up, and caches the results for a day.
        mentions: Open_ids, e-mail addresses, or "all"; one or several.

    Raises:
        InvalidRequestError: `mentions` is neither a str nor a list of str.
        NotFoundError: An address belongs to no account that the app may see.
        LarkError: The look-up failed; it is a PermissionDeniedError without the scope
            contact:user.id:readonly.
    """
    example = "open_ids (ou_…), e-mail addresses, or 'all'"
    names = check_one_or_more("mentions", mentions or (), example)
    people = [name.strip() for name in names if name.strip()]
    addresses = [person for person in people if "@" in person]
    open_ids: Mapping[str, str | None] = client.contact.find_by_email(addresses) if addresses else {}
    if unknown := [address for address in addresses if not open_ids[address]]:
        raise NotFoundError(
            f"mentions must name accounts that this app may see, got {', '.join(unknown)}. Next: check the "
            "address and the app's availability, or pass the open_id."
        )
    return list(dict.fromkeys(open_ids.get(person) or person for person in people))
