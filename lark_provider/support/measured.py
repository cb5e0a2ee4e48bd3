"""All metrics of the package: names, labels, meaning.

docs/en/how-to/monitoring.md explains them, and a test compares.

The values of labels are bounded: apps are those that are configured, operations are path templates, codes are
those of Lark's that `protocol.codes` knows, and the others are a few words each.
"""

from __future__ import annotations

from lark_provider.support.meters import Counter, Gauge, Histogram, Metric

_CALL_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_WAIT_SECONDS = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0)
_ANSWER_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0)
_PEOPLE_SECONDS = (0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 600.0, 3600.0)


def _make_labels(*values: str) -> tuple[tuple[str, ...], ...]:
    return tuple((value,) for value in values)


UNKNOWN = "unknown"
"""The label of an app that is not known; untrusted clients make up ids."""

BRIDGE_OUTCOMES = (
    "answered",
    "retried",
    "noted",
    "invalid",
    "unlinked",
    "forbidden",
    "not_assigned",
    "foreign_tenant",
    "inactive",
    "unknown_card",
    "already_answered",
    "superseded",
    "over",
    "given_up",
    "other",
)
"""The outcomes of a click on a card of Airflow's."""

COMMAND_OUTCOMES = (
    "started",
    "shown",
    "helped",
    "ignored",
    "too_old",
    "not_open",
    "invalid",
    "unlinked",
    "forbidden",
    "foreign_tenant",
    "inactive",
    "not_found",
)
"""The outcomes of a chat command."""
COMMAND_STATES = ("due", "decided", "running", "ended")
"""What is to be done next with a chat command: perform it, answer it, watch its run, answer its end."""

# Clients
REQUESTS = Counter(
    "lark_requests_total", "HTTP requests to Lark, by the code of the answer", ("app", "operation", "code")
)
REQUEST_SECONDS = Histogram(
    "lark_request_duration_seconds",
    "Time from sending a request to Lark to its whole answer, or to its loss",
    ("operation",),
    buckets=_CALL_SECONDS,
)
CALLS = Counter(
    "lark_calls_total",
    "Calls to Lark that ended, with all their retries",
    ("app", "outcome"),
    values=_make_labels(
        "ok",
        "refused",
        "rate_limited",
        "permission_denied",
        "no_token",
        "no_answer",
        "deadline",
        "outcome_unknown",
        "failed",
    ),
)
RETRIES = Counter(
    "lark_retries_total",
    "Requests that were repeated",
    ("app", "reason"),
    values=_make_labels("rate_limit", "busy", "server_error", "no_answer", "token"),
)
RATE_LIMIT_SECONDS = Histogram(
    "lark_rate_limit_wait_seconds",
    "Waits before a retry because Lark limits the rate",
    ("app",),
    buckets=_WAIT_SECONDS,
)
PACING_SECONDS = Histogram(
    "lark_pacing_wait_seconds",
    "Waits before a request, to keep below Lark's documented rates",
    ("app",),
    buckets=_WAIT_SECONDS,
)
TOKENS = Counter(
    "lark_token_refreshes_total",
    "Tokens that a process fetched from Lark, or took from the database where another process had stored it",
    ("app", "source", "outcome"),
    values=(("lark", "ok"), ("lark", "failed"), ("database", "ok")),
)
TOKEN_WAIT_SECONDS = Histogram(
    "lark_token_wait_seconds",
    "Waits for a token that another thread or task of the process fetches (single flight)",
    buckets=_CALL_SECONDS,
)

# Databases
DATABASE_CONNECTIONS = Gauge(
    "lark_database_connections", "Connections of the process's pools to PostgreSQL", ("state",)
)
DATABASE_ERRORS = Counter(
    "lark_database_errors_total",
    "Transactions that failed",
    ("kind",),
    values=_make_labels("unavailable", "pool_exhausted", "rejected", "misconfigured"),
)
DATABASE_CLICKS = Counter(
    "lark_database_clicks_total",
    "Clicks written into the database",
    ("outcome",),
    values=_make_labels("new", "duplicate"),
)
DECISIONS = Counter("lark_questions_decided_total", "Questions that clicks have decided", ("app",))
DECISION_SECONDS = Histogram(
    "lark_click_to_decision_seconds",
    "Time from a click, by Lark's clock, until it decides a question",
    buckets=_PEOPLE_SECONDS,
)

# The outbox
OUTBOX_DELIVERED = Counter(
    "lark_outbox_delivered_total",
    "Messages of the outbox that reached Lark",
    ("app", "kind"),
    values=_make_labels("send", "update"),
)
OUTBOX_GIVEN_UP = Counter(
    "lark_outbox_given_up_total",
    "Messages of the outbox that Lark refused for good",
    ("app", "reason"),
    values=_make_labels("card_gone", "receiver", "content", "refused"),
)

# Deliveries: the gateway, the framework adapters and the long connection
RECEIVED = Counter(
    "lark_deliveries_received_total",
    "Clicks, events and challenges proved to be Lark's",
    ("app", "kind"),
    values=_make_labels("click", "event", "challenge"),
)
REJECTED = Counter(
    "lark_deliveries_rejected_total",
    "Requests to the callback URLs that were refused",
    ("app", "reason"),
    values=_make_labels("signature", "token", "no_keys", "stale", "other_app", "old_card", "unreadable"),
)
STORED = Counter(
    "lark_deliveries_stored_total", "Clicks and events that a sink has stored", ("app", "kind", "sink")
)
NOT_STORED = Counter(
    "lark_deliveries_failed_total",
    "Clicks and events that no sink has stored",
    ("app", "kind"),
    values=_make_labels("click", "event"),
)
ANSWER_SECONDS = Histogram(
    "lark_delivery_answer_seconds",
    "Time from a delivery's arrival to its answer; Lark waits 3 seconds",
    ("kind",),
    buckets=_ANSWER_SECONDS,
)
DUPLICATES = Counter(
    "lark_duplicates_total",
    "Deliveries that had been stored or handled before",
    ("where",),
    values=_make_labels("gateway", "listener", "database", "consumer"),
)
HANDLER_FAILURES = Counter(
    "lark_handler_failures_total",
    "Calls of your handlers that raised or took too long",
    ("kind", "reason"),
    values=(("click", "exception"), ("click", "timeout"), ("event", "exception")),
)
SINK_READY = Gauge(
    "lark_sink_ready", "Whether a sink has proved that it can store a click", ("sink",), merge="min"
)

LISTENING = Gauge("lark_long_connection_up", "Whether the long connection of an app is open", ("app",))

# RabbitMQ
BROKER_CONNECTED = Gauge(
    "lark_broker_connected", "Whether the process is connected to RabbitMQ", ("role",), merge="min"
)
RETURNED = Counter(
    "lark_clicks_returned_total", "Clicks returned to the queue because the database was unavailable"
)
DEAD_LETTERS = Counter(
    "lark_dead_letters_total",
    "Messages that were dead-lettered",
    ("kind",),
    values=_make_labels("click", "event"),
)
EVENTS = Counter(
    "lark_events_handled_total",
    "Events that a consumer was given",
    ("app", "outcome"),
    values=_make_labels("handled", "duplicate", "failed"),
)
EVENT_SECONDS = Histogram(
    "lark_event_handler_seconds", "Time that an event's handler took", buckets=_CALL_SECONDS
)

# Collected by the pump, when it is scraped; those of the outbox by all that deliver it
QUEUE_MESSAGES = Gauge("lark_queue_messages", "Messages in a queue that wait for a consumer", ("queue",))
QUEUE_CONSUMERS = Gauge("lark_queue_consumers", "Consumers of a queue", ("queue",))
WAITS_OPEN = Gauge("lark_waits_open", "Questions that are neither decided nor closed")
WAITS_OVERDUE = Gauge(
    "lark_waits_overdue", "Open questions of approval operators whose deadline was over five minutes ago"
)
OUTBOX_DUE = Gauge("lark_outbox_messages", "Messages in the outbox that are not delivered yet")
OUTBOX_AGE = Gauge("lark_outbox_oldest_seconds", "Age of the oldest message in the outbox")
COLLECTED = Gauge(
    "lark_collected", "Whether the pump could collect from RabbitMQ and from the database", ("source",)
)

# The bridge to Airflow
AIRFLOW_SECONDS = Histogram(
    "lark_airflow_request_duration_seconds",
    "Time from sending a request to Airflow's API server to its whole answer",
    buckets=_CALL_SECONDS,
)
AIRFLOW_ERRORS = Counter(
    "lark_airflow_errors_total", "Requests to Airflow's API server without an answer, or with a 5xx"
)
BRIDGE_QUESTIONS = Gauge(
    "lark_bridge_questions", "Airflow's questions that wait for an answer, by state", ("state",), merge="min"
)
BRIDGE_CARDS_DUE = Gauge(
    "lark_bridge_cards_due", "Cards of Airflow's questions that are to be sent", merge="min"
)
BRIDGE_CLICKS_DUE = Gauge(
    "lark_bridge_clicks_due", "Clicks on cards of Airflow's whose result is not known yet", merge="min"
)
BRIDGE_POLLS = Counter(
    "lark_bridge_polls_total",
    "Successful polls of Airflow, by subject",
    ("what",),
    values=_make_labels("questions", "failures"),
)
BRIDGE_CARDS = Counter(
    "lark_bridge_cards_total",
    "Cards of Airflow's questions that were sent, updated, closed or given up",
    ("outcome",),
    values=_make_labels("sent", "updated", "closed", "given_up"),
)
BRIDGE_FAILURES = Counter(
    "lark_bridge_failures_total",
    "Failed tasks that the bridge saw, by whether a receiver was told",
    ("outcome",),
    values=_make_labels("told", "muted", "unrouted"),
)
BRIDGE_ESCALATION_STEPS = Counter(
    "lark_bridge_escalation_steps_total",
    "Steps of escalations, by how the card rings and by outcome; ended are those that a claim, a "
    "recovery or a mute made needless",
    ("urgent", "outcome"),
    values=tuple(
        (urgent, outcome)
        for urgent in ("app", "sms", "phone")
        for outcome in ("done", "failed", "unknown", "skipped", "ended")
    ),
)
BRIDGE_DIGESTS = Counter(
    "lark_bridge_digests_total",
    "Digests of routes and days that were recorded to be sent, or skipped since it was too late",
    ("outcome",),
    values=_make_labels("recorded", "skipped"),
)
BRIDGE_CLICKS = Counter(
    "lark_bridge_clicks_total",
    "Clicks on cards of Airflow's, by outcome: applied, or the reason of the refusal",
    ("outcome",),
    values=_make_labels(*BRIDGE_OUTCOMES),
)
BRIDGE_CLICK_SECONDS = Histogram(
    "lark_bridge_click_seconds",
    "Time from finding a click on a card of Airflow's until its result is known",
    buckets=_PEOPLE_SECONDS,
)
BRIDGE_COMMANDS = Counter(
    "lark_bridge_commands_total",
    "Chat commands, by outcome: performed, or the reason of the refusal",
    ("outcome",),
    values=_make_labels(*COMMAND_OUTCOMES),
)
BRIDGE_COMMANDS_OPEN = Gauge(
    "lark_bridge_commands_open", "Open chat commands, by next step", ("state",), merge="min"
)

# Native approvals
NATIVE_APPROVALS = Counter(
    "lark_native_approvals_total",
    "Waits of tasks for native approvals that ended, by how",
    ("outcome",),
    values=_make_labels("approved", "reverted", "rejected", "canceled", "deleted", "timeout", "failed"),
)

# Watching bases
RECORD_EVENTS = Counter(
    "lark_record_events_total",
    "Record events of watched tables: reported, or why not",
    ("app", "outcome"),
)
RECORD_GAPS = Counter(
    "lark_record_gaps_total", "Changed records of watched tables that a scan found, and no event", ("app",)
)
RECORD_SCANS = Counter(
    "lark_record_scans_total", "Scans of watched tables, by whether they were complete", ("app", "outcome")
)

ALL: tuple[Metric, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
