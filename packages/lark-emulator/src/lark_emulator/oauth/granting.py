"""What all token endpoints for users have in common: is the user still there, and which tokens follow."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lark_emulator.tokens import make_long_token
from lark_emulator.world.consents import OFFLINE, Consent, RefreshToken

if TYPE_CHECKING:
    from lark_emulator.codes import Code
    from lark_emulator.routing import Call
    from lark_emulator.world.users import User

DAY = 24 * 3600.0
#: A user has to agree again after that time, however often the tokens were refreshed.
CONSENT_LIFE = 365 * DAY
OLD_REFRESH_LIFE = 30 * DAY


class IssuedTokens(NamedTuple):
    """The tokens of one exchange; `refresh_token` is empty where none is issued."""

    access_token: str
    expires_in: int
    refresh_token: str
    refresh_expires_in: int
    scopes: frozenset[str] | None


def issue_tokens(call: Call, consent: Consent, scopes: frozenset[str] | None, *, jwt: bool) -> IssuedTokens:
    """Return fresh tokens.

    Args:
        call: The request for the tokens.
        consent: The app and the user, and what the user allowed the app to do.
        scopes: The scopes of the access token; not more than the user allowed.
        jwt: Whether they are those of the newest endpoint: JWTs, and a refresh token only for those who may
            act while the user does nothing.
    """
    token, seconds = call.tokens.give_user(consent.app, consent.tenant_key, consent.user, scopes, jwt=jwt)
    if jwt and consent.scopes is not None and OFFLINE not in consent.scopes:
        return IssuedTokens(token, seconds, "", 0, scopes)
    life = call.settings.refresh_token_life if jwt else OLD_REFRESH_LIFE
    refresh = RefreshToken(consent, call.world.clock.get_time() + life, jwt)
    name = make_long_token() if jwt else call.world.consents.make_refresh_name()
    call.world.consents.add_refresh(name, refresh)
    return IssuedTokens(token, seconds, name, round(life), scopes)


def is_over(call: Call, refresh: RefreshToken) -> bool:
    """Return whether a refresh token has expired, or what the user allowed."""
    now = call.world.clock.get_time()
    return refresh.expires <= now or refresh.consent.since + CONSENT_LIFE <= now


def find_user_refusal(call: Call, user: User, codes: dict[str, Code], gone: Code) -> Code | None:
    """Return why a user gets no token, or None.

    Args:
        call: The request for the token.
        user: The user for whom the token is requested.
        codes: The codes of the statuses that are refused, by status.
        gone: The code for a user who does not exist.
    """
    if user.user_id not in call.world.users:
        return gone
    return codes.get(user.status)
