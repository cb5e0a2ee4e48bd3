"""What a test or a developer may change about the emulated Lark while it runs."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from lark_emulator.access_settings import ACCESS_CHOICES
from lark_emulator.approval_settings import APPROVAL_CHOICES, ApprovalSettings
from lark_emulator.document_settings import DOCUMENT_CHOICES
from lark_emulator.sheet_settings import KIB, SHEET_CHOICES

if TYPE_CHECKING:
    from collections.abc import Mapping

HOUR = 3600.0

#: Settings whose value is one of a few words. The first is the default.
CHOICES: dict[str, tuple[str, ...]] = {
    "uuid_replay": ("same", "error"),
    "client_token_replay": ("same", "1254608", "1255006"),
    "client_token_waiting": ("performed", "1254608"),
    "unchanged_write": ("ok", "1254606"),
    "new_base": ("samples", "bare"),
    "number_precision": ("kept", "formatter"),
    "text_ends": ("kept", "trimmed"),
    "unknown_options": ("created", "refused"),
    "search_total": ("exact", "absent", "stale"),
    "stale_after": ("every", "unchecked"),
    "foreign_pages": ("refused", "taken"),
    "bitable_error_status": ("documented", "200"),
    "app_type_mismatch": ("10005", "10014"),
    "disabled_app_token": ("10014", "given"),
    "unknown_user_ids": ("gateway", "endpoint"),
    "submit_value": ("sent", "left_out"),
    "empty_fields": ("inputs", "left_out", "all"),
    "card_update_status": ("400", "200"),
    "refusal_data": ("absent", "empty"),
    "connect_when_off": ("1000040345", "allowed"),
    "connection_limit_at": ("handshake", "discovery"),
    "pong_payload": ("config", "empty"),
    "gap_events": ("scheduled", "on_connect"),
    "card_frame_ack": ("ignored", "taken"),
    **ACCESS_CHOICES,
    **APPROVAL_CHOICES,
    **SHEET_CHOICES,
    **DOCUMENT_CHOICES,
}

#: Numbers that may be negative, and their least value.
MINIMA = {"reconnect_count": -1, "approval_event_copies": 1}

#: Greater numbers would not fit into Lark's own, which JavaScript reads.
_MAX_NUMBER = 10**15

#: Checks of cards whose outcome at Lark is not confirmed; those in `Settings.card_rules` apply.
CARD_RULES = {
    "schema": "a `schema` other than 1.0 and 2.0 is refused",
    "properties": "a property that the emulator does not know refuses a card 2.0; off: a newer Lark knows it",
    "tags": "a tag that the emulator does not know refuses a card 2.0; off: a newer Lark knows it",
    "nesting": "containers nested deeper than 5 levels are refused",
    "container_table": "a table in an interactive_container is refused",
    "multi_select": "choices of several options outside a form are refused",
    "body": "a card 2.0 without a body is refused, as CardKit does",
    "values": "a word that is none of those of a property refuses a card 2.0",
    "text_tags": "lark_md is refused where the page names plain_text only",
    "form_names": "a form component without a name is refused when it is sent, not at the click",
    "submit_behaviors": "in 2.0, too, a button with `behaviors` does not submit its form",
    "fences": "tables in code fences count",
    "lock": "a card is updated neither by the message API (11310) nor by CardKit (200810) before the "
    "callback of a click on it was answered",
    "required": "a card 2.0 without a property that its page calls required is refused",
    "lengths": "texts of buttons, options and placeholders longer than 100 characters are refused",
    "ranges": "numbers out of the range that the page gives are refused",
    "places": "in 1.0, components where their pages do not let them stand are refused",
}


@dataclass(slots=True)
class Settings(ApprovalSettings):
    """The settings of one emulator. Where Lark's documents are silent or clash, a setting decides."""

    latency_ms: float = 0.0
    """Added to every answer."""
    fallback_answers: bool = False
    """Whether endpoints that are not emulated get an answer of the right shape, where it is known, instead of
    501. Nothing is kept or checked; the header `X-Lark-Emulator: fallback` says so."""
    log_entries: int = 10_000
    """How many of the newest requests the log keeps."""
    log_bytes: int = 16 * KIB * KIB
    """How many bytes of bodies it keeps; beyond it the oldest bodies are dropped, and their entries stay."""
    log_body_bytes: int = 256 * KIB
    """Longer bodies are not kept, only their length and type."""
    write_ms: float = 30.0
    """How long a Bitable write takes and holds its table: another write to it meanwhile gets 1254291."""
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
    client_token_waiting: str = "performed"  # noqa: S105 - no password
    """A write repeated while the first waits to be performed late (`drop: late`): performed in its place, so
    that the late one changes nothing, or refused with 1254608. Unconfirmed."""
    unchanged_write: str = "ok"
    """A field or records overwritten with what is there already: a success, or 1254606. Unconfirmed."""
    bitable_error_status: str = "documented"
    """HTTP status of Bitable errors: what each endpoint's page says, or always 200."""
    new_base: str = "samples"
    """What the first table of a created base has: sample fields and rows without any value, as in Lark, or
    one text field and no rows. The fields' names and the number of rows are unconfirmed."""
    number_precision: str = "kept"
    """What a number field stores: what was written, or that rounded to the field's formatter. Unconfirmed."""
    text_ends: str = "kept"
    """How white space is handled at both ends of texts and option names: kept, or trimmed. Unconfirmed."""
    unknown_options: str = "created"
    """A select option that a write names for the first time: created, as documented, or refused with the
    conversion code of the field."""
    max_answer_bytes: int = 0
    """Pages of records whose JSON is longer get 1254030; 0 = no limit. The documents do not say how long."""
    max_filter_chars: int = 2000
    """A search whose filter is longer, as JSON, gets 1254107; 0 = no limit. Documented for the old list."""
    search_total: str = "exact"
    """`total` of record searches and lists: exact, left out, or without what the newest write changed."""
    foreign_pages: str = "refused"
    """A `page_token` of another list, or of this one with another filter, sort or parameter: refused like an
    unknown one, or taken as a place in this list. The documents say only that these must stay the same."""
    stale_reads_s: float = 0.0
    """For how many seconds reads of records do not show a write."""
    stale_after: str = "every"
    """After which writes reads are stale: every one, or those with `ignore_consistency_check=true`, while
    any other makes all reads consistent."""
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
    hidden_card_templates: list[str] = field(default_factory=list)
    """Those of the templates that were not shared with the app; a card made from one gets 230099 / 200381."""
    card_entities: list[str] = field(default_factory=list)
    """Card ids that exist; a reference to any other gets 230099 / 11310."""
    card_rules: list[str] = field(
        default_factory=lambda: [
            *("schema", "properties", "tags", "nesting", "container_table", "multi_select", "lock"),
        ]
    )
    """Which of the unconfirmed checks of cards apply, see `CARD_RULES`."""
    max_card_tables: int = 5
    """Tables in a card, those in Markdown counted; beyond it 230099 / 11310. One project saw 6 pass."""
    empty_fields: str = "inputs"
    """Which fields of a form that were left empty its callback names, with an empty string: inputs, as the
    page shows it, none, or all. Unconfirmed for all but inputs."""
    card_update_status: str = "400"
    """HTTP status of what `POST /interactive/v1/card/update` refuses. No page says."""
    submit_value: str = "sent"
    """Whether the callback of a form brings the submit button's `value`. The sources differ."""
    reconnect_count: int = -1
    """How often clients of the long connection try to reconnect; -1 = without end."""
    reconnect_interval: float = 90.0
    """Seconds between their tries."""
    reconnect_nonce: float = 25.0
    """Seconds before their first try: a random part of it."""
    ping_interval: float = 90.0
    """Seconds between their pings."""
    pong_payload: str = "config"
    """What a pong carries: these four settings, or nothing. Clients must cope with both."""
    missed_pings: int = 2
    """After so many ping intervals without any frame a long connection is closed; 0 = never. Unconfirmed."""
    connection_limit: int = 50
    """Long connections per app; one more is refused with 1000040350. A report met it at the third one."""
    connection_limit_at: str = "handshake"
    """Where that refusal comes: at the handshake alone, or at the discovery as well. Unconfirmed."""
    connection_life: float = 0.0
    """Seconds (of the emulator's clock) after which a long connection is dropped; 0 = never. Lark was seen
    to do so after multiples of 30 s, from 60 to 630."""
    connect_when_off: str = "1000040345"
    """Discovery for an app with both modes `http`: refused, or allowed. Unconfirmed."""
    refusal_data: str = "absent"
    """What `data` is when the discovery is refused: not there, or `{}`."""
    fragment_bytes: int = 64 * KIB
    """Payloads beyond this come in several frames; 0 = never. The real bound is not documented."""
    nack_repeats: int = 3
    """How often an event is repeated that was acknowledged with another code than 200; reports saw 1 to 3."""
    gap_events: str = "scheduled"
    """When unacknowledged events come again: as scheduled, or at an app's first ping. Unconfirmed."""
    card_frame_ack: str = "ignored"
    """Whether the acknowledgement of a click that came as `type=card` counts. Unconfirmed."""

    def change(self, changes: Mapping[str, Any]) -> None:
        """Apply changes, all or none.

        Args:
            changes: Setting names and new values.

        Raises:
            ValueError: an unknown name, a wrong type or a value out of range; the text names the setting.
        """
        checked = {name: _check(name, value) for name, value in changes.items()}
        for name, value in checked.items():
            setattr(self, name, value)

    def to_dict(self) -> dict[str, Any]:
        """Return all settings by name."""
        return asdict(self)


def _check(name: str, value: Any) -> Any:
    hint: Any = _HINTS.get(name)
    if hint is None:
        raise ValueError(f"unknown setting {name!r}; known: {', '.join(sorted(_HINTS))}")
    if name in CHOICES:
        if value not in CHOICES[name]:
            raise ValueError(f"setting {name!r} must be one of {', '.join(CHOICES[name])}, not {value!r}")
        return value
    if name == "rate_limit_overrides":
        return _check_rates(name, value)
    if get_args(hint):  # a list of strings
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ValueError(f"setting {name!r} must be a list of strings, not {value!r}")
        if name == "card_rules" and (unknown := set(value) - CARD_RULES.keys()):
            raise ValueError(f"setting {name!r} knows {', '.join(CARD_RULES)}, not {sorted(unknown)}")
        return value
    wanted = (int, float) if hint is float else hint
    # bool is an int to Python, but `latency_ms: true` is a mistake to a person.
    if not isinstance(value, wanted) or (isinstance(value, bool) and hint is not bool):
        raise ValueError(f"setting {name!r} must be of type {hint.__name__}, not {value!r}")
    least = MINIMA.get(name, 0)
    if not math.isfinite(value) or not least <= value <= _MAX_NUMBER:
        raise ValueError(f"setting {name!r} must be from {least} to {_MAX_NUMBER:,}, not {value!r}")
    return value


def _check_rates(name: str, value: Any) -> dict[str, list[list[float]]]:
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
    if name in {setting.name for setting in fields(Settings)}
}
