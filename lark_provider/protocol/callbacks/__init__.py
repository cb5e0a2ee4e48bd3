"""Verify, decrypt and read what Lark sends to a callback URL. No I/O, no clock.

```python
keys = CallbackKeys("cli_…", encrypt_key="…", verification_token="…")
received = receive(Incoming(request.headers, request.body), keys, time.time())
```

See https://open.feishu.cn/document/uAjLw4CM/ukTMukTMukTM/event-subscription-guide/callback-subscription/receive-and-handle-callbacks
"""

from __future__ import annotations

from lark_provider.protocol.callbacks.incoming import CallbackKeys, Incoming
from lark_provider.protocol.callbacks.model import (
    Action,
    CardClick,
    Challenge,
    Delivery,
    Event,
    Operator,
    get_kind,
    make_log_fields,
)
from lark_provider.protocol.callbacks.read import read
from lark_provider.protocol.callbacks.receive import MAX_BODY_BYTES, receive
from lark_provider.protocol.errors import BrokerError, CallbackRefusedError

__all__ = [
    "MAX_BODY_BYTES",
    "Action",
    "BrokerError",
    "CallbackKeys",
    "CallbackRefusedError",
    "CardClick",
    "Challenge",
    "Delivery",
    "Event",
    "Incoming",
    "Operator",
    "get_kind",
    "make_log_fields",
    "read",
    "receive",
]
