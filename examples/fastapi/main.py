"""A message from FastAPI: `fastapi run main.py`. The event loop goes on while Lark is asked."""
# ruff: noqa: INP001 - programs, no package

from __future__ import annotations

from fastapi import FastAPI

from lark_provider import AsyncLarkServiceClient

app = FastAPI()
lark_client = AsyncLarkServiceClient()  # connects to nothing yet; several apps: app_id="cli_…"


@app.post("/send-notification")
async def send_notification(user_id: str, message: str) -> dict[str, str]:
    """Send a message to a person, and answer with the message's id."""
    response = await lark_client.messaging.send_text(receiver_id=user_id, content=message)

    return {"message_id": response.data["message_id"]}
