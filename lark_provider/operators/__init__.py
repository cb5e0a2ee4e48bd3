"""Airflow operators for Lark."""

from __future__ import annotations

from lark_provider.hooks.exports import make_lazy_getattr

__all__ = [
    "LarkApprovalOperator",
    "LarkBitableBulkInsertOperator",
    "LarkBitableSearchOperator",
    "LarkBitableSyncOperator",
    "LarkNativeApprovalOperator",
    "LarkSendFileOperator",
    "LarkSendMessageOperator",
    "LarkUpdateMessageOperator",
    "LarkWebhookOperator",
]

__getattr__ = make_lazy_getattr(
    __name__,
    {
        "LarkApprovalOperator": "approval",
        "LarkBitableBulkInsertOperator": "bitable",
        "LarkBitableSearchOperator": "bitable",
        "LarkBitableSyncOperator": "bitable_sync",
        "LarkNativeApprovalOperator": "native_approval",
        "LarkSendFileOperator": "file",
        "LarkSendMessageOperator": "message",
        "LarkUpdateMessageOperator": "update",
        "LarkWebhookOperator": "webhook",
    },
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lark_provider.operators.approval import LarkApprovalOperator as LarkApprovalOperator
    from lark_provider.operators.bitable import LarkBitableBulkInsertOperator as LarkBitableBulkInsertOperator
    from lark_provider.operators.bitable import LarkBitableSearchOperator as LarkBitableSearchOperator
    from lark_provider.operators.bitable_sync import LarkBitableSyncOperator as LarkBitableSyncOperator
    from lark_provider.operators.file import LarkSendFileOperator as LarkSendFileOperator
    from lark_provider.operators.message import LarkSendMessageOperator as LarkSendMessageOperator
    from lark_provider.operators.native_approval import (
        LarkNativeApprovalOperator as LarkNativeApprovalOperator,
    )
    from lark_provider.operators.update import LarkUpdateMessageOperator as LarkUpdateMessageOperator
    from lark_provider.operators.webhook import LarkWebhookOperator as LarkWebhookOperator
