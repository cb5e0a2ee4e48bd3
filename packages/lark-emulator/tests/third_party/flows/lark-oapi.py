from __future__ import annotations

import json
import os

import lark_oapi as lark
from lark_oapi.api.im.v1 import CreateMessageRequest, CreateMessageRequestBody, GetMessageRequest

client = lark.Client.builder().app_id(os.environ["APP_ID"]).app_secret(os.environ["APP_SECRET"]).build()
body = (
    CreateMessageRequestBody.builder()
    .receive_id(os.environ["CHAT_ID"])
    .msg_type("text")
    .content(json.dumps({"text": "flow"}))
    .build()
)
sent = client.im.v1.message.create(
    CreateMessageRequest.builder().receive_id_type("chat_id").request_body(body).build()
)
assert sent.success(), sent.msg
read = client.im.v1.message.get(GetMessageRequest.builder().message_id(sent.data.message_id).build())
assert json.loads(read.data.items[0].body.content) == {"text": "flow"}
