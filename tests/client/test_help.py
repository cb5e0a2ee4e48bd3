"""What `help()` says of a client's methods."""

from __future__ import annotations

import asyncio
import inspect
import pydoc
from collections.abc import Callable
from typing import Any

import pytest

from lark_provider import AsyncLarkServiceClient, LarkServiceClient
from lark_provider.client.namespaces import Messaging
from lark_provider.protocol.calls import Call

INNER = ("CallOrProcedure[", "Call[", "Procedure[", "Listing[")


@pytest.mark.parametrize("make", [LarkServiceClient, AsyncLarkServiceClient])
def test_help_names_what_a_method_returns(make: type[LarkServiceClient | AsyncLarkServiceClient]) -> None:
    client = make("cli_1", "s")
    returned: dict[Callable[..., Any], str] = {
        client.messaging.send_text: "LarkResponse[Message]",  # an operation
        client.messaging.get: "LarkResponse[MessageList]",  # a call
        client.messaging.send_image: "LarkResponse[Message]",  # procedures
        client.clouddoc.bitable.bulk_insert: "BulkResult",
    }
    iterator = "AsyncIterator" if make is AsyncLarkServiceClient else "Iterator"
    returned[client.messaging.list] = f"{iterator}[Message]"  # a listing
    for method, type_ in returned.items():
        assert f"-> '{type_}'" in pydoc.plain(pydoc.render_doc(method))
        assert next(iter(inspect.signature(method).parameters)) != "self"
    for namespace in (client.messaging, client.clouddoc.bitable, client.contact, client.bot):
        shown = pydoc.plain(pydoc.render_doc(namespace))
        assert "->" in shown
        assert not any(f"-> '{inner}" in shown for inner in INNER)
    if isinstance(client, AsyncLarkServiceClient):
        asyncio.run(client.aclose())


def test_of_the_class_an_operation_stays_one() -> None:
    messaging: Any = Messaging
    operation = messaging.send_text("oc_1", "hello")
    assert isinstance(operation, Call)
    assert messaging.send_text.__doc__.startswith("Send plain text")
    assert messaging.send_text.__name__ == "send_text"
