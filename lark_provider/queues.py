"""Make `MessageQueueTrigger(scheme="lark")` of Airflow's common.messaging provider a `LarkEventTrigger`.

Airflow imports this module in each process that parses a `MessageQueueTrigger`, so it loads no trigger,
broker or client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.common.messaging.providers.base_provider import BaseMessageQueueProvider

if TYPE_CHECKING:
    from lark_provider.triggers.events import LarkEventTrigger


class LarkMessageQueueProvider(BaseMessageQueueProvider):
    """Offer Lark's events under the scheme `lark`.

    `MessageQueueTrigger(scheme="lark", event_types=["im.message.receive_v1"])` takes the arguments of
    `LarkEventTrigger` and is stored as one, so delivery and acknowledgement are the same. It needs the extra
    `messaging`, and Airflow 3.3.
    """

    scheme = "lark"

    def trigger_class(self) -> type[LarkEventTrigger]:
        """Return the trigger that a `MessageQueueTrigger` of this scheme stands for.

        Raises:
            ConfigurationError: Airflow is older than 3.3.
        """
        from lark_provider.triggers.events import LarkEventTrigger

        return LarkEventTrigger
