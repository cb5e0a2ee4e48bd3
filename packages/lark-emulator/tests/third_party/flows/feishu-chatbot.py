from __future__ import annotations

import json
import os

from chatbot.client import ChatBotClient

client = ChatBotClient(os.environ["APP_ID"], os.environ["APP_SECRET"])
message = {"receive_id": os.environ["CHAT_ID"], "msg_type": "text", "content": json.dumps({"text": "flow"})}
client.send(message, receive_id_type="chat_id")
user = client.get_user_id_by_email("alice@example.com")
assert user["user_id"] == "alice", user
