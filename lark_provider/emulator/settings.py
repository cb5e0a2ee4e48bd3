"""What a test or a developer may change about the emulated Lark while it runs."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Mapping

KIB = 1024
HOUR = 3600.0

#: Settings whose value is one of a few words. The first is the default.
CHOICES: dict[str, tuple[str, ...]] = {
    "uuid_replay": ("same", "error"),
    "client_token_replay": ("same", "1254608", "1255006"),
    "unchanged_write": ("ok", "1254606"),
    "bitable_error_status": ("documented", "200"),
    "app_type_mismatch": ("10005", "10014"),
    "disabled_app_token": ("10014", "given"),
    "unknown_user_ids": ("gateway", "endpoint"),
}


@dataclass(slots=True)
class Settings:
    """The switches of one emulator. Where Lark's documents are silent or clash, there is a switch."""

    latency_ms: float = 0.0
    """Added to every answer."""
    write_ms: float = 0.0
    """How long a Bitable write holds its table; another write to it meanwhile gets 1254291."""
    rate_limits: bool = True
    """Whether the documented limits per app and endpoint (and `receiver_qps`) are applied."""
    rate_limit_overrides: dict[str, list[list[float]]] = field(default_factory=dict)
    """`{"POST /open-apis/im/v1/messages": [[50, 1], [1000, 60]]}` instead of the documented limits."""
    receiver_qps: int = 5
    """Messages per second to one user or group, shared by all bots; beyond it 230020. 0 = no limit."""
    update_qps: int = 5
    """Updates per second of one card; beyond it 230020. 0 = no limit."""
    update_multi: bool = True
    """Whether a card 1.0 must say `update_multi: true`, before and after, to be updated."""
    recall_window: float = 24 * HOUR
    """Seconds in which a message can be recalled, later 230009. In Lark the tenant's administrator says."""
    token_life: float = 7200.0
    """Seconds a fresh token lives."""
    token_overlap: float = 1800.0
    """With less than this left, a new token is issued beside the old one."""
    wrong_secret_status: int = 200
    """HTTP status of a refused token request (the sources differ: 200 or 400)."""
    app_type_mismatch: str = "10005"
    """What a store app gets at the token endpoints of custom apps, and the other way round. Unconfirmed."""
    disabled_app_token: str = "10014"  # noqa: S105 - a code
    """A token request of a disabled app: refused, or given. Unconfirmed."""
    unknown_user_ids: str = "gateway"
    """Reading unknown users: refused by the gateway (99992351 and its like), or answered by the endpoint:
    41012 for one, nothing in a batch. The sources differ."""
    uuid_replay: str = "same"
    """A message repeated with its uuid: the first message again, or an error. Unconfirmed."""
    uuid_window: float = HOUR
    """Seconds in which a message's uuid is remembered."""
    client_token_replay: str = "same"  # noqa: S105 - no password
    """A write repeated with its client_token: the first answer again, or one of two errors. Unconfirmed."""
    client_token_window: float = HOUR
    """Seconds in which a client_token is remembered. Not documented."""
    unchanged_write: str = "ok"
    """A field or records overwritten with what is there already: a success, or 1254606. Unconfirmed."""
    bitable_error_status: str = "documented"
    """HTTP status of Bitable errors: what each endpoint's page says, or always 200."""
    records_per_table: int = 0
    """Beyond it 1254103; 0 = no limit. Lark's documents contradict themselves (20,000 or the plan)."""
    max_text_bytes: int = 150 * KIB
    """Text content beyond this gets 230025."""
    max_card_bytes: int = 30 * KIB
    """Card and post content beyond this gets 230025. A live probe saw larger cards pass."""
    max_image_bytes: int = 10 * KIB * KIB
    """Images beyond this get 234006."""
    max_file_bytes: int = 30 * KIB * KIB
    """Files beyond this get 234006."""
    callback_timeout: float = 3.0
    """Seconds that an app has to answer a callback or an event."""
    challenge_timeout: float = 1.0
    """Seconds that an app has to return the challenge, when its address is set."""
    card_update_uses: int = 2
    """How often the token of a click updates its card. An older page says 3."""
    card_templates: list[str] = field(default_factory=list)
    """Template ids that exist; a card made from any other gets 230099 / 200380."""

    def change(self, changes: Mapping[str, Any]) -> None:
        """Apply changes, all or none.

        Args:
            changes: setting names and new values.

        Raises:
            ValueError: an unknown name, a wrong type or a value out of range; the text names the setting.
        """
        checked = {name: _checked(name, value) for name, value in changes.items()}
        for name, value in checked.items():
            setattr(self, name, value)

    def as_dict(self) -> dict[str, Any]:
        """Return all settings by name."""
        return asdict(self)


def _checked(name: str, value: Any) -> Any:
    hint: Any = _HINTS.get(name)
    if hint is None:
        raise ValueError(f"unknown setting {name!r}; known: {', '.join(sorted(_HINTS))}")
    if name in CHOICES:
        if value not in CHOICES[name]:
            raise ValueError(f"setting {name!r} must be one of {', '.join(CHOICES[name])}, not {value!r}")
        return value
    if name == "rate_limit_overrides":
        return _checked_rates(name, value)
    if get_args(hint):  # the one list: card_templates
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ValueError(f"setting {name!r} must be a list of strings, not {value!r}")
        return value
    wanted = (int, float) if hint is float else hint
    # bool is an int to Python, but `latency_ms: true` is a mistake to a person.
    if not isinstance(value, wanted) or (isinstance(value, bool) and hint is not bool):
        raise ValueError(f"setting {name!r} must be of type {hint.__name__}, not {value!r}")
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"setting {name!r} must be finite and not negative, not {value!r}")
    return value


def _checked_rates(name: str, value: Any) -> dict[str, list[list[float]]]:
    shape = f"setting {name!r} must look like {{'POST /open-apis/path': [[50, 1], [1000, 60]]}}"
    if not isinstance(value, dict):
        raise ValueError(shape)  # noqa: TRY004 - one kind of error for every bad setting
    for endpoint, rates in value.items():
        if not isinstance(endpoint, str) or " /" not in endpoint or not isinstance(rates, list):
            raise ValueError(f"{shape}, not {endpoint!r}: {rates!r}")
        for rate in rates:
            numbers = isinstance(rate, list) and all(
                isinstance(number, (int, float)) and not isinstance(number, bool) and number > 0
                for number in rate
            )
            if not numbers or len(rate) != len(("count", "seconds")):
                raise ValueError(f"{shape}, not {endpoint!r}: {rates!r}")
    return value


_HINTS: dict[str, Any] = {
    name: hint
    for name, hint in get_type_hints(Settings).items()
    if name in {each.name for each in fields(Settings)}
}
