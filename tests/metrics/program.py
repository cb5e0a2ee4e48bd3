"""A program of a user's, with metrics: it calls Lark, waits for answers to questions and consumes events.

Run as a process; the argument is the port of its metrics. It prints the ids of its questions, and ends at the
end of its standard input.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import threading
from contextlib import suppress

from lark_provider import AsyncLarkServiceClient, LarkServiceClient, metrics
from lark_provider.callbacks.broker.consumer import consume
from lark_provider.callbacks.waiting import get_hub, make_waits
from lark_provider.errors import LarkError
from lark_provider.protocol.callbacks import Event
from lark_provider.protocol.questions import Draft, Origin, Question
from tests.protocol.callbacks import sender

CHAT = "oc_emulator_data_team"
QUESTIONS = 5
GONE = "postgresql://nobody@127.0.0.1:9/none"


def ask(n: int) -> str:
    """Record a question, and wait for its answer in the background."""
    origin = Origin("dag", "run", f"task{n}", -1, "approval", 1, 1)
    question = make_waits().claim(Draft(origin, Question(options={"approve": "Yes"}), sender.APP)).question
    get_hub().settle(question.id)
    return question.id


async def burst() -> None:
    """Make many calls at once, of which one fetches the token."""
    async with AsyncLarkServiceClient() as client:
        await asyncio.gather(*(client.messaging.send_text(CHAT, f"{n}") for n in range(10)))


def call(n: int) -> None:
    """Make some calls, of which a few fail."""
    with LarkServiceClient() as client:
        message_id = client.messaging.send_text(CHAT, f"{n}").data["message_id"]
        client.messaging.recall(message_id)
        with suppress(LarkError):
            client.messaging.send_text("oc_nothing", "no")
    if n % 20 == 0:
        with (
            suppress(LarkError),
            LarkServiceClient(os.environ["LARK_APP_ID"], f"wrong {n}", database_url=GONE) as client,
        ):
            client.messaging.send_text(CHAT, "no")


def handle(event: Event) -> None:
    """Fail on some events."""
    if event.event_id.startswith("bad"):
        raise LookupError("in the handler")


def main() -> None:
    """Work until told to stop."""
    metrics.start(int(sys.argv[1]))
    stop = threading.Event()

    def until_told() -> None:
        sys.stdin.read()
        stop.set()

    threading.Thread(target=until_told, daemon=True).start()
    sys.stdout.write(" ".join(ask(n) for n in range(QUESTIONS)) + "\n")
    sys.stdout.flush()
    consuming = threading.Thread(target=lambda: consume(handle, tries=2, pause=0.05, stop=stop))
    consuming.start()
    asyncio.run(burst())
    for n in itertools.count():
        if stop.wait(0.2):
            break
        call(n)
    consuming.join()


if __name__ == "__main__":
    main()
