"""The plugin that Airflow loads, by the entry point `airflow.plugins`, in every component.

It imports nothing but Airflow's base class of plugins, and the listener of failures, which is as light: the
scheduler, workers and the DAG processor load it as well, and need none of the rest. What API servers need is
imported when one of them starts, or at the first request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.plugins_manager import AirflowPlugin

from lark_provider.plugins import listener

if TYPE_CHECKING:
    from lark_provider.plugins.asgi import AsgiApplication, AsgiReceive, AsgiScope, AsgiSend

PREFIX = "/lark"


async def serve_lark(scope: AsgiScope, receive: AsgiReceive, send: AsgiSend) -> None:
    """Serve `/lark`; 404 unless the plugin is configured. An ASGI application.

    Args:
        scope: The request; `scope["app"]` is the Airflow application that serves it.
        receive: Receives the body.
        send: Sends the answer.
    """
    from lark_provider.plugins.site import serve

    await serve(scope, receive, send)


def guard_middleware(app: AsgiApplication) -> AsgiApplication:
    """Return ASGI middleware that lets one answer per question succeed and delays answers that come too soon.

    Airflow calls it once when an API server starts, and nowhere else.

    Args:
        app: The application to wrap.

    Returns:
        The middleware; `app` itself unless the plugin is configured, or if it cannot work there: a failure
        here must not stop Airflow.
    """
    from lark_provider.plugins.start import start

    return start(app)


class LarkPlugin(AirflowPlugin):
    """Answers as the person who clicked, at `/lark`, lets one answer count, and reports failures of tasks."""

    name = "lark"
    fastapi_apps = [  # noqa: RUF012 - as Airflow has it
        {"app": serve_lark, "url_prefix": PREFIX, "name": "lark"}
    ]
    listeners = listener.list_listeners()
    fastapi_root_middlewares = [  # noqa: RUF012 - as Airflow has it
        {"middleware": guard_middleware, "args": [], "kwargs": {}, "name": "lark: one answer counts"}
    ]
