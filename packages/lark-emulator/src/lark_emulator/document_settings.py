"""Settings of files, documents, the wiki and events of bases; the others are in `settings`."""

from __future__ import annotations

from dataclasses import dataclass

#: Settings whose value is one of a few words. The first is the default.
DOCUMENT_CHOICES: dict[str, tuple[str, ...]] = {
    "import_token": ("with_status", "one_poll_later"),
    "docx_client_token": ("same", "performed"),
    "docx_inserted": ("first_level", "all"),
    "convert_order": ("shuffled", "document"),
    "record_event_values": ("changed", "all"),
}


@dataclass(slots=True)
class DocumentSettings:
    """The settings of files, documents, the wiki and events of bases."""

    upload_ms: float = 10.0
    """How long an upload takes: another one of the same app meanwhile gets 1061045."""
    drive_task_s: float = 0.0
    """Seconds that an import, an export or a move into the wiki takes; meanwhile its status is 1, then 2."""
    import_token: str = "with_status"  # noqa: S105 - no password
    """When an import shows the token of its document: with status 0, or one poll later. A client saw both."""
    docx_edit_qps: int = 3
    """Edits per second of one document, by all apps together; beyond it HTTP 429. 0 = no limit."""
    docx_client_token: str = "same"  # noqa: S105 - no password
    """An edit repeated with its client_token: the first answer again, or performed again. Unconfirmed."""
    docx_inserted: str = "first_level"
    """Which of the new blocks the answer of `descendant` shows. Unconfirmed."""
    convert_order: str = "shuffled"
    """Order of the `blocks` that `convert` answers with; reports saw them out of order."""
    record_event_values: str = "changed"
    """Which fields of an edited record its event shows: those that changed, or all. Reports saw both."""
