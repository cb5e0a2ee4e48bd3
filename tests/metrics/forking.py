"""A web server that forks its workers, as gunicorn does: run as a program, with its way of forking.

Each worker is forked while threads of the parent count and scrape, counts `EACH`, and ends. The parent prints
what is counted over all processes.
"""

from __future__ import annotations

import os
import sys
import threading

from lark_provider import metrics
from lark_provider.support import measured

WORKERS, EACH = 12, 250


def main() -> None:
    """Fork, count, and print the sum."""
    metrics.start()
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            measured.RETRIES.add("parent", "busy")
            metrics.render()

    threads = [threading.Thread(target=busy) for _ in range(3)]
    for thread in threads:
        thread.start()
    workers = []
    for _ in range(WORKERS):
        pid = os.fork()
        if pid == 0:
            for _ in range(EACH):
                measured.CALLS.add("cli_1", "ok")
                measured.TOKEN_WAIT_SECONDS.observe(0.2)
            measured.SINK_READY.set(1, "rabbitmq")
            os._exit(0)
        workers.append(pid)
    codes = [os.waitpid(pid, 0)[1] for pid in workers]
    stop.set()
    for thread in threads:
        thread.join()
    sys.stdout.write(f"{codes}\n{metrics.render()[0].decode()}")


if __name__ == "__main__":
    main()
