"""Native approvals (审批, `/open-apis/approval/v4`): definitions, instances, comments, subscriptions.

`from lark_provider.api.approval import Definition, Instance`
"""

from __future__ import annotations

from lark_provider.support.exports import make_getattr

_HOME_OF = {
    "Definition": ".definitions",
    "Instance": ".model",
    "Status": ".model",
    "Task": ".model",
    "Widget": ".widgets",
}
__all__ = list(_HOME_OF)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lark_provider.api.approval.definitions import Definition as Definition
    from lark_provider.api.approval.model import Instance as Instance
    from lark_provider.api.approval.model import Status as Status
    from lark_provider.api.approval.model import Task as Task
    from lark_provider.api.approval.widgets import Widget as Widget


__getattr__ = make_getattr(__name__, _HOME_OF)
