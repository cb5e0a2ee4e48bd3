"""Send a file from a DAG."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, get_args

from lark_provider.errors import InvalidRequestError
from lark_provider.hooks.links import LarkChatLink, make_chat_url
from lark_provider.hooks.task import convert_lark_errors, make_attempt_key
from lark_provider.operators import object_storage
from lark_provider.operators.base import LarkOperator
from lark_provider.protocol.arguments import check_choice

if TYPE_CHECKING:
    from airflow.sdk import Context

    from lark_provider.api.messaging import OnUnknown
    from lark_provider.api.receivers import ReceiverIdType
    from lark_provider.operators.object_storage import StoragePath

SentAs: TypeAlias = Literal["file", "image"]


class LarkSendFileOperator(LarkOperator):
    """Send a file, or an image that is shown in the chat.

    A retry sends nothing twice, as with `LarkSendMessageOperator`. Clearing the task sends it again.

    Args:
        receiver_id: An id, an e-mail address, or a name from the connection's `receivers`.
        file: A path, or any URL that Airflow's ObjectStoragePath knows, such as
            `s3://aws_default@bucket/orders.xlsx`. At most 30 MB; an image 10 MB.
        file_name: The name to show; by default the file's own.
        msg_type: `file`, or `image` to show it.
        receiver_id_type: The kind of `receiver_id`, if its shape misleads.
        idempotency_key: Any text that identifies this message; by default derived from DAG, run, task and
            attempt.
        on_unknown: What to do if a try had no answer more than an hour ago, so that the message may or may
            not have been sent: `fail`, `resend`, or `skip` (it counts as sent). With a database.
        lark_conn_id: The connection.

    Returns:
        The message id, as XCom.

    Raises:
        AirflowFailException: The file is missing, empty or too large, or Lark refuses it; a retry would not
            help.
        LarkError: Any other failure, for Airflow to retry.
    """

    template_fields: Collection[str] = (
        "receiver_id", "file", "file_name", "idempotency_key", "lark_conn_id",
    )  # fmt: skip
    required_templates: ClassVar[Collection[str]] = ("receiver_id", "file", "file_name", "idempotency_key")
    operator_extra_links = (LarkChatLink(),)
    chat_link = ""

    def __init__(
        self,
        *,
        receiver_id: str,
        file: StoragePath,
        file_name: str | None = None,
        msg_type: SentAs = "file",
        receiver_id_type: ReceiverIdType | None = None,
        idempotency_key: str | None = None,
        on_unknown: OnUnknown = "fail",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_choice("msg_type", msg_type, get_args(SentAs))
        if msg_type == "image" and file_name is not None:
            raise InvalidRequestError(
                f"file_name must be given with files only, got {file_name!r} with an image, which shows "
                "none. Next: leave it out."
            )
        self.receiver_id = receiver_id
        self.file = file
        self.file_name = file_name
        self.msg_type = msg_type
        self.receiver_id_type = receiver_id_type
        self.idempotency_key = idempotency_key
        self.on_unknown = on_unknown

    def execute(self, context: Context) -> str:
        """Upload the file and send it."""
        with convert_lark_errors():
            messaging = self.hook.client.messaging
            to = self.hook.receiver(self.receiver_id, self.receiver_id_type)
            key = self.idempotency_key or make_attempt_key(
                context, self.hook.client, "file", self.receiver_id, self.file
            )
            how: dict[str, Any] = {
                "receiver_id_type": to.id_type,
                "idempotency_key": to.make_key(key),
                "on_unknown": self.on_unknown,
            }
            if self.msg_type == "image":
                content, _ = object_storage.read_content(self.file, object_storage.MAX_IMAGE_BYTES)
                sent = messaging.send_image(to.id, content, **how).data
            else:
                content, name = object_storage.read_content(self.file, object_storage.MAX_FILE_BYTES)
                sent = messaging.send_file(to.id, content, file_name=self.file_name or name, **how).data
        self.chat_link = make_chat_url(
            self.hook.client.base_url, sent.get("chat_id", ""), self.hook.web_domain
        )
        self.log.info(
            "Message sent",
            msg_type=self.msg_type,
            message_id=sent["message_id"],
            receiver=to.describe(),
        )
        return sent["message_id"]

    def get_openlineage_facets_on_complete(self, task_instance: object) -> object:  # noqa: ARG002 - OpenLineage's
        """Return the file, for OpenLineage."""
        from airflow.providers.openlineage.extractors import OperatorLineage

        return OperatorLineage(inputs=[object_storage.make_dataset(self.file)])
