"""Airflow operators for Lark, loaded when they are used."""

from __future__ import annotations

_HOMES = {
    "LarkApprovalOperator": "lark_provider.operators.approval",
    "LarkBitableBulkInsertOperator": "lark_provider.operators.bitable",
    "LarkBitableSearchOperator": "lark_provider.operators.bitable",
    "LarkSendMessageOperator": "lark_provider.operators.message",
    "LarkUpdateMessageOperator": "lark_provider.operators.update",
    "LarkWebhookOperator": "lark_provider.operators.webhook",
}
__all__ = [
    "LarkApprovalOperator",
    "LarkBitableBulkInsertOperator",
    "LarkBitableSearchOperator",
    "LarkSendMessageOperator",
    "LarkUpdateMessageOperator",
    "LarkWebhookOperator",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lark_provider.operators.approval import LarkApprovalOperator as LarkApprovalOperator
    from lark_provider.operators.bitable import LarkBitableBulkInsertOperator as LarkBitableBulkInsertOperator
    from lark_provider.operators.bitable import LarkBitableSearchOperator as LarkBitableSearchOperator
    from lark_provider.operators.message import LarkSendMessageOperator as LarkSendMessageOperator
    from lark_provider.operators.update import LarkUpdateMessageOperator as LarkUpdateMessageOperator
    from lark_provider.operators.webhook import LarkWebhookOperator as LarkWebhookOperator


def __getattr__(name: str) -> object:
    import importlib  # noqa: PLC0415 - a DAG that needs no operator pays for none

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
