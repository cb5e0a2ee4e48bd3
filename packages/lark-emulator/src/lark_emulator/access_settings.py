"""Settings of user tokens, and of requests that only some clients send."""

from __future__ import annotations

from dataclasses import dataclass

from lark_emulator.sheet_settings import SheetSettings

#: Settings whose value is one of a few words. The first is the default.
ACCESS_CHOICES: dict[str, tuple[str, ...]] = {
    "scopeless_authorization": ("granted", "all"),
    "refresh_token_reuse": ("20073", "20064"),
    "user_info_bad_token": ("gateway", "20005"),
    "form_token_requests": ("accepted", "refused"),
    "webhook_timestamps": ("any", "strings"),
}


@dataclass(slots=True)
class AccessSettings(SheetSettings):
    """The settings of user tokens."""

    user_token_life: float = 7200.0
    """Seconds a user's token lives."""
    refresh_token_life: float = 7 * 24 * 3600.0
    """Seconds a refresh token of `authen/v2/oauth/token` lives; those of older endpoints live 30 days."""
    scopeless_authorization: str = "granted"
    """What an authorization without `scope` allows: what the user granted before, or all that the app may
    do. Unconfirmed."""
    refresh_token_reuse: str = "20073"  # noqa: S105 - a code
    """What the second use of a refresh token gets: that it was used, or that it was revoked."""
    user_info_bad_token: str = "gateway"  # noqa: S105 - no password
    """Where a bad token at `authen/v1/user_info` is refused: by the gateway (99991668), as reports have it,
    or by the endpoint (20005 in HTTP 200), as its page says."""
    form_token_requests: str = "accepted"  # noqa: S105 - no password
    """Whether token endpoints take form-encoded bodies beside JSON, the only documented one."""
    webhook_timestamps: str = "any"
    """Whether the `timestamp` of a signed webhook message may be an integer, or must be a string, the only
    documented shape."""
