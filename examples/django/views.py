"""Send a notification to whoever is logged in."""
# ruff: noqa: INP001 - programs, no package

from __future__ import annotations

from django.http import HttpRequest, JsonResponse

from lark_provider import LarkServiceClient


def send_notification(request: HttpRequest) -> JsonResponse:
    """Send a message to the user's e-mail address in Lark, and answer with the message's id."""
    client = LarkServiceClient()  # one for each request costs nothing; several apps: app_id="cli_…"

    # An open_id that you keep with the user (`ou_…`) does as well as an address.
    response = client.messaging.send_text(receiver_id=request.user.email, content="您有新的订单通知!")

    return JsonResponse({"message_id": response.data["message_id"]})
