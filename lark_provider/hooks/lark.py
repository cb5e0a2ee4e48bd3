"""`LarkHook`: a Lark client with the credentials of an Airflow connection."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from lark_provider.hooks import airflow_version  # noqa: F401 - first, for its clear sentence

from airflow.sdk import BaseHook  # isort: skip

from lark_provider.errors import ConfigurationError, LarkError

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from lark_provider.api.receivers import ReceiverIdType
    from lark_provider.client import AsyncLarkServiceClient, LarkServiceClient
    from lark_provider.hooks.frames import FrameType
    from lark_provider.hooks.receivers import Receiver


class LarkHook(BaseHook):
    """Reaches Lark or Feishu with an Airflow connection of type `lark`.

    The connection: login is the app id, password the app secret, host `feishu` (default), `lark` or the URL
    of a private deployment; extras `proxy` and `verify`, `receivers` (names for ids, as a JSON object),
    `redirect_all_to` (an id or such a name that gets every message) and `owners` (owners of DAGs and tasks
    to their open_id or e-mail address, for mentions). With `registry_app` set to true, the secret is that of
    the app in the registry of `lark-provider app add`, and the password stays empty.

    All workers share tokens in the database of `[lark] database_url` or `[lark] database_conn_id`, else in
    that of `LARK_DATABASE_URL` or `POSTGRES_*`; with none, each process fetches its own.

    Args:
        lark_conn_id: The connection.
        timeout: Seconds for connecting, writing and reading, each.
        max_retries: How often one call is repeated, if not as often as the client does by itself.
    """

    conn_name_attr = "lark_conn_id"
    default_conn_name = "lark_default"
    conn_type = "lark"
    hook_name = "Lark / Feishu"

    def __init__(
        self,
        lark_conn_id: str = default_conn_name,
        *,
        timeout: float = 30.0,
        max_retries: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.lark_conn_id = lark_conn_id
        self.timeout = timeout
        self.max_retries = max_retries

    @cached_property
    def connection(self) -> Connection:
        """The connection; fetched once for each hook."""
        return self.get_connection(self.lark_conn_id)

    @cached_property
    def client(self) -> LarkServiceClient:
        """The client; made once for each hook.

        Raises:
            ConfigurationError: The connection lacks an app id or a secret, or its host cannot be right.
        """
        from lark_provider.client import LarkServiceClient  # noqa: PLC0415 - DAG files are parsed without it
        from lark_provider.hooks import shared  # noqa: PLC0415 - as above

        url = shared.database_url()
        return LarkServiceClient(**self._settings(self.connection), database_url=url)

    def get_conn(self) -> LarkServiceClient:
        """The client, under the name that Airflow's hooks share."""
        return self.client

    async def get_async_conn(self) -> AsyncLarkServiceClient:
        """The asynchronous client, with the connection fetched without blocking; for triggers.

        Raises:
            ConfigurationError: As for `client`.
        """
        from lark_provider.client import AsyncLarkServiceClient  # noqa: PLC0415 - as above
        from lark_provider.hooks import shared  # noqa: PLC0415 - as above

        if "connection" not in self.__dict__:
            self.__dict__["connection"] = await self.aget_connection(self.lark_conn_id)
        url = await shared.adatabase_url()
        return AsyncLarkServiceClient(**self._settings(self.connection), database_url=url)

    def receiver(self, name: str, id_type: ReceiverIdType | None = None) -> Receiver:
        """Who gets a message that is meant for somebody: every message of the Airflow rooms asks here.

        Args:
            name: An id, or one of the connection's `receivers`.
            id_type: The id's kind, if its shape misleads.

        Raises:
            ConfigurationError: `receivers` is no JSON object.
        """
        from lark_provider.hooks.receivers import mapping, resolve  # noqa: PLC0415 - as above

        extra = self.connection.extra_dejson
        aliases = mapping(extra.get("receivers"), "receivers", self.lark_conn_id)
        redirect = str(extra.get("redirect_all_to") or "").strip()
        return resolve(name, id_type, aliases=aliases, redirect=redirect)

    @property
    def owners(self) -> dict[str, Any]:
        """Owners of DAGs and tasks to their open_id or e-mail address, or a list of them.

        Raises:
            ConfigurationError: It is no JSON object.
        """
        from lark_provider.hooks.receivers import mapping  # noqa: PLC0415 - as above

        return mapping(self.connection.extra_dejson.get("owners"), "owners", self.lark_conn_id)

    def get_df(
        self, app_token: str, table_id: str | None = None, *, df_type: FrameType = "pandas", **search: Any
    ) -> Any:
        """Read a Bitable table into a data frame.

        Args:
            app_token: The base, or a link to it.
            table_id: The table; None for the one that the link names.
            df_type: `pandas` or `polars`; each is an extra of this package.
            search: `filter`, `sort`, `field_names`, `view_id`, `zone`, … as for `search_records`.

        Returns:
            A frame with a column for each field, or for each of `field_names`.

        Raises:
            ConfigurationError: The library is not installed.
            LarkError: The table cannot be read.
        """
        from lark_provider.hooks.frames import frame  # noqa: PLC0415 - as above

        bitable = self.client.clouddoc.bitable
        columns = list(search.get("field_names") or ()) or [
            field["field_name"] for field in bitable.list_fields(app_token, table_id)
        ]
        records = bitable.search_records(app_token, table_id, **search)
        return frame((record["fields"] for record in records), columns, df_type)

    def test_connection(self) -> tuple[bool, str]:
        """Prove the connection with a token and `GET /open-apis/bot/v3/info`.

        Returns:
            Whether it works, and a sentence for the connection's form.
        """
        try:
            bot = self.client.bot.info().data["bot"]
        except LarkError as error:
            return False, str(error)
        return True, f"Connected as bot {bot.get('app_name')!r} ({bot.get('open_id')})."

    def _settings(self, connection: Connection) -> dict[str, Any]:
        extra = connection.extra_dejson
        from_registry = truth(extra.get("registry_app"))
        needed = [("login (the app id)", connection.login)]
        if not from_registry:
            needed.append(("password (the app secret)", connection.password))
        missing = [name for name, value in needed if not (value or "").strip()]
        if missing:
            raise ConfigurationError(
                f"Connection {self.lark_conn_id!r} has no {' and no '.join(missing)}. Next: fill it in under "
                "Admin → Connections."
            )
        host = (connection.host or ("" if from_registry else "feishu")).strip()
        return {
            "app_id": connection.login,
            "app_secret": None if from_registry else connection.password,
            "base_url": (f"{host}:{connection.port}" if connection.port else host) or None,
            "proxy": extra.get("proxy") or None,
            "verify": verify_setting(extra.get("verify", True)),
            "timeout": self.timeout,
        } | ({} if self.max_retries is None else {"max_retries": self.max_retries})


_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def truth(value: Any) -> bool:
    """Whether a form's text, or a JSON value, says yes."""
    return value is True or _TRUTHS.get(str(value).strip().lower(), False)


def verify_setting(value: Any) -> bool | str:
    """A form's text as what it means; any other text is the path of an authority's certificates."""
    if value is None or value == "":
        return True
    return value if isinstance(value, bool) else _TRUTHS.get(str(value).strip().lower(), str(value))
