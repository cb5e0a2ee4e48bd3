"""`LarkHook`: a Lark client with the credentials of an Airflow connection."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from lark_provider.errors import ConfigurationError, LarkError
from lark_provider.hooks.base import LarkBaseHook, is_true, make_base_url
from lark_provider.support.secret import Secret

if TYPE_CHECKING:
    from lark_provider.api.receivers import ReceiverIdType
    from lark_provider.client import AsyncLarkServiceClient, LarkServiceClient
    from lark_provider.hooks.frames import FrameType
    from lark_provider.hooks.receivers import NamedReceiver


class LarkHook(LarkBaseHook):
    """Reach Lark or Feishu with an Airflow connection of type `lark`.

    The connection: login is the app id, password the app secret, host `feishu` (default), `lark` or the URL
    of a private deployment. Extras:

    - `proxy`, `verify`: a proxy's URL; true, false or the path of certificates.
    - `receivers`: a JSON object of names and the ids that they stand for.
    - `redirect_all_to`: an id or such a name to which every message is sent instead.
    - `owners`: a JSON object of owners of DAGs and tasks and their open_ids or e-mail addresses, for
      mentions.
    - `web_domain`: the domain of Lark's pages, for links, if the host is not at `open.…`.
    - `registry_app`: if true, the secret is read from the registry of `lark-provider app add`, and the
      password stays empty.

    All workers share tokens in the database of `[lark] database_url` or `[lark] database_conn_id`, else in
    that of `LARK_DATABASE_URL` or `POSTGRES_*`. Without a database, each process fetches its own.

    Args:
        lark_conn_id: The connection.
        timeout: Seconds for connecting, writing and reading, each.
        deadline: Seconds for one call in all: token, waits, retries and the answer.
        max_retries: The most retries of one call; None for the client's own default.
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
        deadline: float = 120.0,
        max_retries: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(timeout=timeout, deadline=deadline, max_retries=max_retries, **kwargs)
        self.lark_conn_id = lark_conn_id

    @cached_property
    def client(self) -> LarkServiceClient:
        """Make the client, once for each hook.

        Raises:
            ConfigurationError: The connection lacks an app id or a secret, or its host is invalid.
        """
        from lark_provider.client import LarkServiceClient
        from lark_provider.hooks import airflow_config

        url = airflow_config.read_database_url()
        return LarkServiceClient(**self._make_settings(), database_url=url)

    def get_conn(self) -> LarkServiceClient:
        """Return the client, under the name that Airflow's hooks share."""
        return self.client

    async def get_async_conn(self) -> AsyncLarkServiceClient:
        """Make an asynchronous client, with the connection fetched without blocking; for triggers.

        Raises:
            ConfigurationError: The connection lacks an app id or a secret, or its host is invalid.
        """
        from lark_provider.client import AsyncLarkServiceClient
        from lark_provider.hooks import airflow_config

        await self._fetch_connection()
        url = await airflow_config.aread_database_url()
        return AsyncLarkServiceClient(**self._make_settings(), database_url=url)

    def receiver(self, name: str, id_type: ReceiverIdType | None = None) -> NamedReceiver:
        """Return the receiver of a message. Every message of the Airflow packages is resolved here.

        Args:
            name: An id, or one of the connection's `receivers`.
            id_type: The id's kind, if its shape misleads.

        Raises:
            ConfigurationError: `receivers` is not a JSON object, or the entry is not an id.
            InvalidRequestError: The name is not a str.
        """
        from lark_provider.hooks.receivers import resolve

        redirect = str(self._extras.get("redirect_all_to") or "").strip()
        return resolve(name, id_type, aliases=self._aliases, redirect=redirect)

    @property
    def web_domain(self) -> str:
        """Return the domain of Lark's pages, such as feishu.cn; "" if the connection does not name one."""
        domain = str(self._extras.get("web_domain") or "").strip()
        return domain.rpartition("://")[2].partition("/")[0]

    def alias(self, name: str) -> str:
        """Return the id that a name from the connection's `receivers` stands for; other names as they are.

        Unlike `receiver`, it ignores `redirect_all_to`: it is for people who are named, not for receivers.

        Args:
            name: An id, or one of the connection's `receivers`.

        Raises:
            ConfigurationError: `receivers` is not a JSON object, or the entry is not an id.
        """
        from lark_provider.hooks.receivers import resolve_alias

        return resolve_alias(name, self._aliases)

    @property
    def _aliases(self) -> dict[str, Any]:
        return self._read_json_object("receivers")

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
            A frame with a column for each field, or for each of `field_names`. The column of a lookup holds
            lists, that of a formula one value for each record; an empty cell is a missing value.

        Raises:
            ConfigurationError: The library is not installed.
            LarkError: The table cannot be read.
        """
        from lark_provider.hooks.frames import make_frame

        bitable = self.client.clouddoc.bitable
        columns = list(search.get("field_names") or ()) or [
            field["field_name"] for field in bitable.list_fields(app_token, table_id)
        ]
        records = bitable.search_records(app_token, table_id, **search)
        return make_frame((record["fields"] for record in records), columns, df_type)

    def get_sheet_df(
        self,
        sheet: str,
        worksheet: str | int | None = None,
        *,
        range: str | None = None,  # noqa: A002 - Lark's name
        df_type: FrameType = "pandas",
    ) -> Any:
        """Read a worksheet into a data frame.

        Args:
            sheet: The spreadsheet's link or token.
            worksheet: Its title, its id, or its index from 0; None for the one that the link names, else the
                first.
            range: The cells to read, such as `A1:F`, titles included; None for the whole worksheet.
            df_type: `pandas` or `polars`; each is an extra of this package.

        Returns:
            A frame with a column for each title in the first row; an empty cell is a missing value.

        Raises:
            ConfigurationError: The library is not installed.
            LarkError: The worksheet cannot be read, or titles are missing or not unique.
        """
        from lark_provider.api.clouddoc.sheets.headers import parse_titles
        from lark_provider.api.clouddoc.sheets.targets import SheetRef
        from lark_provider.hooks.frames import make_frame

        rows = self.client.clouddoc.sheets.read(SheetRef(sheet, worksheet), range)
        titles = parse_titles(rows[0] if rows else ())
        records = (dict(zip(titles, row, strict=False)) for row in rows[1:])
        return make_frame(records, [title for title in titles if title], df_type)

    def test_connection(self) -> tuple[bool, str]:
        """Test the connection with a token and `GET /open-apis/bot/v3/info`.

        Returns:
            Whether it works, and a sentence for the connection's form.
        """
        # DAG files are parsed without it.
        from lark_provider.hooks import extras as unknown_extras

        try:
            bot = self.client.bot.info().data["bot"]
        except LarkError as error:
            return False, str(error)
        connected = f"Connected as bot {bot.get('app_name')!r} ({bot.get('open_id')})."
        return True, connected + unknown_extras.describe_unknown(self.conn_type, self._extras)

    def _make_settings(self) -> dict[str, Any]:
        # No variable holds the connection, since its repr shows the password and error reporters send the
        # values of variables.
        from_registry = is_true(self._extras.get("registry_app"))
        missing = [] if (self.connection.login or "").strip() else ["login (the app id)"]
        if not from_registry and not (self.connection.password or "").strip():
            missing.append("password (the app secret)")
        if missing:
            raise ConfigurationError(
                f"Connection {self.lark_conn_id!r} must have a {' and a '.join(missing)}, got none. Next: "
                "fill it in under Admin → Connections."
            )
        host = (self.connection.host or ("" if from_registry else "feishu")).strip()
        return {
            "app_id": self.connection.login,
            "app_secret": None if from_registry else Secret.of(self.connection.password),
            "base_url": make_base_url(host, self.connection.port),
            **self._make_http_settings(),
        }
