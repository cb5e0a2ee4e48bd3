"""Report the result of a SQL query: a spreadsheet, shared, and one card that links to it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

from lark_provider.errors import InvalidRequestError
from lark_provider.hooks.links import LarkChatLink, LarkSheetLink, make_chat_url
from lark_provider.hooks.task import convert_lark_errors, make_task_key
from lark_provider.operators.sheets import Shares
from lark_provider.protocol.arguments import check_choice
from lark_provider.protocol.language import LANGUAGES, Language
from lark_provider.transfers.sql_to_sheet import SqlToLarkSheetOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from lark_provider.api.clouddoc.sheets.tables.procedure import TableResult
    from lark_provider.api.messaging import OnUnknown
    from lark_provider.client import LarkServiceClient
    from lark_provider.hooks.receivers import NamedReceiver

_WORDS = {"en": ("Rows", "Open the spreadsheet"), "zh": ("行数", "打开表格")}
_CARD_FIELDS = ("card_title", "text", "template_id", "template_variable", "template_version")
"""The template fields that may name the report, and are rendered once it is written."""


class LarkReportOperator(SqlToLarkSheetOperator):
    """Write a SQL query into a spreadsheet, share it, and send one card with its link.

    A report that runs again under the same key writes the same spreadsheet and updates the same card, which
    needs a database (`[lark] database_url` and the like) from an hour after the first run on. By default the
    key is that of the task in its run; `key="daily {{ ds }}"` is one report a day, however many runs write
    it.

    The card shows `text` and how many rows there are. `card_title`, `text` and the `template_…` arguments are
    template fields that are rendered once the spreadsheet is written, with `report` besides Airflow's
    variables: `{{ report.url }}`, `{{ report.rows_written }}`, `{{ report.range }}`,
    `{{ report.spreadsheet_token }}`. They may be outputs of other tasks, which are never taken for templates.

    Args:
        receiver_id: Who gets the card: a chat, a person or a name of the connection's receivers; or a list.
        key: A text that names the report: its spreadsheet and its card.
        card_title: The title of the card; by default the title of the spreadsheet.
        text: The text of the card, in Markdown.
        template_id: A template of Lark's card builder instead, such as `AAqk…`.
        template_variable: The value of each of its variables.
        template_version: The template's version, such as `1.0.3`; by default the newest one that is
            published.
        share_with: As for `SqlToLarkSheetOperator`; by default a new spreadsheet can be viewed by those who
            get the card.
        mentions: Open_ids, e-mail addresses, or "all": whom to mention at the end of the card.
        on_unknown: What to do if a try had no answer more than an hour ago, so that the card may or may not
            have been sent: `fail`, `resend`, or `skip` (it counts as sent). With a database.
        language: The language of the card's own words: `en` or `zh`.
        kwargs: All other settings of `SqlToLarkSheetOperator`, such as `sql`, `title` and
            `folder`.

    Returns:
        As XCom, what `SqlToLarkSheetOperator` returns, and `"message_ids"`.

    Raises:
        AirflowFailException: Lark refuses it, and a retry would not help.
        LarkError: Any other failure, for Airflow to retry. What the database's driver raises is passed on.
    """

    template_fields: Collection[str] = (
        *SqlToLarkSheetOperator.template_fields, "receiver_id", "mentions", *_CARD_FIELDS,
    )  # fmt: skip
    required_templates: ClassVar[Collection[str]] = (
        *SqlToLarkSheetOperator.required_templates, "receiver_id", "mentions",
    )  # fmt: skip
    people_templates: ClassVar[Collection[str]] = ("share_with", "receiver_id", "mentions")
    late_templates = _CARD_FIELDS
    operator_extra_links = (LarkSheetLink(), LarkChatLink())
    chat_link = ""

    def __init__(
        self,
        *,
        receiver_id: str | Sequence[str],
        key: str | None = None,
        card_title: str | None = None,
        text: str = "",
        template_id: str | None = None,
        template_variable: Mapping[str, Any] | None = None,
        template_version: str | None = None,
        share_with: Shares | None = None,
        mentions: str | Sequence[str] = (),
        on_unknown: OnUnknown = "fail",
        language: Language = "en",
        **kwargs: Any,
    ) -> None:
        if share_with is None:
            share_with = () if kwargs.get("sheet") else receiver_id
        super().__init__(idempotency_key=key, share_with=share_with, **kwargs)
        if not receiver_id:
            raise InvalidRequestError(
                "receiver_id must name who gets the card, got none. Next: pass an open_id, a chat_id or "
                "an e-mail address, or use SqlToLarkSheetOperator, which sends no card."
            )
        if template_id is None:
            if template_variable is not None or template_version is not None:
                raise InvalidRequestError(
                    "template_variable and template_version must come with template_id, got them without. "
                    "Next: pass the id of the template."
                )
            if card_title is None and self.title is None:
                raise InvalidRequestError(
                    "card_title must be given with sheet, got None. Next: pass the title of the card."
                )
        elif card_title is not None or text or mentions:
            raise InvalidRequestError(
                "card_title, text and mentions must not come with template_id, got some. Next: put them into "
                "variables of the template."
            )
        check_choice("language", language, LANGUAGES)
        self.receiver_id = receiver_id
        self.card_title = card_title
        self.text = text
        self.template_id = template_id
        self.template_variable = template_variable
        self.template_version = template_version
        self.mentions = mentions
        self.on_unknown = on_unknown
        self.language = language

    def execute(self, context: Context) -> dict[str, Any]:
        """Write the spreadsheet, and send or update its card."""
        with convert_lark_errors():
            client = self.hook.client
            report = self.write(context)
            card = self._make_card(client, context, report)
            key = f"{self.idempotency_key or make_task_key(context, client, 'report')}\ncard"
            named = [self.receiver_id] if isinstance(self.receiver_id, str) else self.receiver_id
            receivers = [self.hook.receiver(receiver_id) for receiver_id in named]
            sent = [self._send(client, to, card, to.make_key(key)) for to in receivers]
        return {**asdict(report), "message_ids": sent}

    def _make_card(self, client: LarkServiceClient, context: Context, report: TableResult) -> Any:
        """Build the card, whose texts know the spreadsheet."""
        from lark_provider.api import cards
        from lark_provider.api.messaging.additions import with_element
        from lark_provider.hooks.mentions import mention_ids

        known: Any = {**context, "report": report}

        def render(template: Any) -> Any:
            return self.render_late(template, known)

        if self.template_id is not None:
            variables = render(self.template_variable)
            return cards.template_card(render(self.template_id), variables, render(self.template_version))
        rows, opens = _WORDS[self.language]
        # `title` is rendered already, and what it contains may come from whoever triggers the DAG.
        title: Any = self.title if self.card_title is None else render(self.card_title)
        card: Any = cards.notice_card(
            title,
            render(self.text),
            fields={rows: f"{report.rows_written:,}"},
            link={opens: report.url},
        )
        people = cards.mention_ids(mention_ids(client, self.mentions)) if self.mentions else ()
        return with_element(card, " ".join(f"<at id={who}></at>" for who in people)) if people else card

    def _send(self, client: LarkServiceClient, to: NamedReceiver, card: Any, key: str) -> str:
        """Send the card to one receiver, or update the one that it got before."""
        from lark_provider.transfers.sent_cards import put_card

        sent = put_card(client, to, card, key=key, on_unknown=self.on_unknown)
        self.chat_link = make_chat_url(client.base_url, sent["chat_id"], self.hook.web_domain)
        if message_id := sent["message_id"]:
            self.log.info("Card shows the report", message_id=message_id)
        return message_id
