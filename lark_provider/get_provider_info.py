"""Describe this provider to Airflow. Every process reads this, so it is literals only and imports nothing."""

from __future__ import annotations

_LOGO = "/integration-logos/lark.svg"
# Fields that connections of both types have.
_PROXY = {
    "label": "Proxy",
    "description": "URL of an HTTP proxy: http://user:password@proxy.example.com:3128.",
    "schema": {"type": ["string", "null"], "format": "password"},
}
_VERIFY = {
    "label": "Check certificates",
    "description": "true, false, or the path of a private authority's certificates.",
    "schema": {
        "type": ["string", "null"],
        "default": "true",
        "examples": ["true", "false", "/etc/ssl/certs/company.pem"],
    },
}
_PORT_HINT = "443; without one, the list's Test button answers Bad Request"


def get_provider_info() -> dict[str, object]:
    """Describe this provider to Airflow; the keys are those of Airflow's provider schema."""
    return {
        "package-name": "airflow-provider-lark",
        "name": "Lark / Feishu",
        "description": "Messages, cards, Bitable and spreadsheets of `Lark / Feishu <https://open.feishu.cn/>`__.",
        "integrations": [
            {
                "integration-name": "Lark",
                "external-doc-url": "https://open.feishu.cn/document/",
                "how-to-guide": ["/docs/en/how-to/connections.md", "/docs/en/how-to/deploy.md"],
                "logo": _LOGO,
                "tags": ["service"],
            },
            {
                "integration-name": "Lark Messages",
                "external-doc-url": "https://open.feishu.cn/document/server-docs/im-v1/introduction",
                "how-to-guide": ["/docs/en/how-to/every-dag-reports.md", "/docs/en/how-to/outbox.md"],
                "logo": _LOGO,
                "tags": ["service"],
            },
            {
                "integration-name": "Lark Bitable",
                "external-doc-url": "https://open.feishu.cn/document/server-docs/docs/bitable-v1/bitable-overview",
                "how-to-guide": [
                    "/docs/en/how-to/loads.md",
                    "/docs/en/how-to/sync.md",
                    "/docs/en/how-to/record-events.md",
                ],
                "logo": _LOGO,
                "tags": ["service"],
            },
            {
                "integration-name": "Lark Sheets",
                "external-doc-url": "https://open.feishu.cn/document/server-docs/docs/sheets-v3/overview",
                "how-to-guide": ["/docs/en/how-to/sheets.md", "/docs/en/how-to/sharing.md"],
                "logo": _LOGO,
                "tags": ["service"],
            },
            {
                "integration-name": "Lark Approvals",
                "external-doc-url": "https://open.feishu.cn/document/server-docs/approval-v4/approval-overview",
                "how-to-guide": ["/docs/en/how-to/which-question.md", "/docs/en/how-to/approvals.md"],
                "logo": _LOGO,
                "tags": ["service"],
            },
        ],
        "hooks": [
            {
                "integration-name": "Lark",
                "python-modules": ["lark_provider.hooks.lark", "lark_provider.hooks.webhook"],
            }
        ],
        "operators": [
            {
                "integration-name": "Lark Messages",
                "python-modules": [
                    "lark_provider.operators.message",
                    "lark_provider.operators.update",
                    "lark_provider.operators.file",
                    "lark_provider.operators.webhook",
                ],
            },
            {
                "integration-name": "Lark Bitable",
                "python-modules": ["lark_provider.operators.bitable", "lark_provider.operators.bitable_sync"],
            },
            {
                "integration-name": "Lark Approvals",
                "python-modules": [
                    "lark_provider.operators.approval",
                    "lark_provider.operators.native_approval",
                ],
            },
        ],
        "sensors": [
            {
                "integration-name": "Lark Approvals",
                "python-modules": ["lark_provider.sensors.card_callback"],
            }
        ],
        "triggers": [
            {"integration-name": "Lark", "python-modules": ["lark_provider.triggers.events"]},
            {"integration-name": "Lark Bitable", "python-modules": ["lark_provider.triggers.base_watcher"]},
            {
                "integration-name": "Lark Approvals",
                "python-modules": [
                    "lark_provider.triggers.card_callback",
                    "lark_provider.triggers.native_approval",
                ],
            },
        ],
        "queues": ["lark_provider.queues.LarkMessageQueueProvider"],
        "transfers": [
            {
                "source-integration-name": "Common SQL",
                "target-integration-name": "Lark Bitable",
                "python-module": "lark_provider.transfers.sql_to_bitable",
                "how-to-guide": "/docs/en/how-to/transfers.md",
            },
            {
                "source-integration-name": "Lark Bitable",
                "target-integration-name": "Common SQL",
                "python-module": "lark_provider.transfers.bitable_to_sql",
                "how-to-guide": "/docs/en/how-to/transfers.md",
            },
            {
                "source-integration-name": "Common SQL",
                "target-integration-name": "Lark Sheets",
                "python-module": "lark_provider.transfers.sql_to_sheet",
                "how-to-guide": "/docs/en/how-to/sheets.md",
            },
            {
                "source-integration-name": "Common SQL",
                "target-integration-name": "Lark Sheets",
                "python-module": "lark_provider.transfers.report",
                "how-to-guide": "/docs/en/how-to/sheets.md",
            },
            {
                "source-integration-name": "Common SQL",
                "target-integration-name": "Lark Messages",
                "python-module": "lark_provider.transfers.sql_to_message",
                "how-to-guide": "/docs/en/how-to/sheets.md",
            },
            {
                "source-integration-name": "Lark Sheets",
                "target-integration-name": "Common SQL",
                "python-module": "lark_provider.transfers.sheet_to_sql",
                "how-to-guide": "/docs/en/how-to/sheets.md",
            },
            {
                "source-integration-name": "Lark Bitable",
                "target-integration-name": "Common IO",
                "python-module": "lark_provider.transfers.bitable_to_file",
                "how-to-guide": "/docs/en/how-to/transfers.md",
            },
        ],
        "config": {
            "lark": {
                "description": "What all workers share for Lark / Feishu.",
                "options": {
                    "failure_listener": {
                        "description": "Whether a task that fails for good is reported at once, from its own "
                        "process, with its traceback; no DAG is edited. LARK_FAILURE_LISTENER wins.",
                        "version_added": "1.0.0",
                        "type": "boolean",
                        "example": "True",
                        "default": "False",
                    },
                    "failure_receiver": {
                        "description": "Whom to notify: ids, e-mail addresses or names of the connection's "
                        "receivers, separated by commas. Without it, the routes of LARK_ROUTES_PATH.",
                        "version_added": "1.0.0",
                        "type": "string",
                        "example": "oncall",
                        "default": None,
                    },
                    "failure_conn_id": {
                        "description": "The connection that reports.",
                        "version_added": "1.0.0",
                        "type": "string",
                        "example": "lark_default",
                        "default": None,
                    },
                    "failure_language": {
                        "description": "The language of cards to failure_receiver: zh or en.",
                        "version_added": "1.0.0",
                        "type": "string",
                        "example": "en",
                        "default": None,
                    },
                    "database_url": {
                        "description": "The PostgreSQL database for tokens, one fetch for all workers; "
                        "not Airflow's own. It wins over POSTGRES_* and LARK_DATABASE_URL.",
                        "version_added": "1.0.0",
                        "type": "string",
                        "sensitive": True,
                        "example": "postgresql://lark:password@db.example.com:5432/lark_service",
                        "default": None,
                    },
                    "database_conn_id": {
                        "description": "A connection of type postgres to that database, instead of its URL.",
                        "version_added": "1.0.0",
                        "type": "string",
                        "example": "lark_database",
                        "default": None,
                    },
                    "answer_hold": {
                        "description": "For how many seconds after a task began to wait for an answer each "
                        "answer is held, so that it cannot fail the task; 0 to 300. It is for API servers; "
                        "LARK_ANSWER_HOLD wins over it, and it wins over hold of lark.yaml.",
                        "version_added": "1.0.0",
                        "type": "float",
                        "example": "15",
                        "default": None,
                    },
                    "bridge": {
                        "description": "Whether `lark-provider airflow bridge` asks the questions of "
                        "human-in-the-loop tasks in Lark; then LarkNotifier among their notifiers stays "
                        "silent. It wins over LARK_BRIDGE.",
                        "version_added": "1.0.0",
                        "type": "boolean",
                        "example": "True",
                        "default": None,
                    },
                    "rabbitmq_url": {
                        "description": "The RabbitMQ that the callback gateway publishes to. It wins over "
                        "RABBITMQ_*.",
                        "version_added": "1.0.0",
                        "type": "string",
                        "sensitive": True,
                        "example": "amqps://lark:password@mq.example.com/lark",
                        "default": None,
                    },
                },
            }
        },
        "extra-links": [
            "lark_provider.operators.links.LarkChatLink",
            "lark_provider.operators.links.LarkBitableLink",
            "lark_provider.operators.links.LarkSheetLink",
        ],
        "asset-uris": [{"schemes": ["lark"], "handler": "lark_provider.assets.lark.sanitize_uri"}],
        "notifications": [
            "lark_provider.notifications.lark.LarkNotifier",
            "lark_provider.notifications.webhook.LarkWebhookNotifier",
        ],
        "connection-types": [
            {
                "connection-type": "lark",
                "hook-class-name": "lark_provider.hooks.lark.LarkHook",
                "hook-name": "Lark / Feishu",
                "conn-fields": {
                    "proxy": _PROXY,
                    "verify": _VERIFY,
                    "receivers": {
                        "label": "Receivers",
                        "description": 'Names for ids: {"oncall": "oc_…", "boss": "boss@example.com"}.',
                        "schema": {"type": ["object", "null"]},
                    },
                    "redirect_all_to": {
                        "label": "Redirect all to",
                        "description": "For tests: who gets every message instead, such as oc_…, "
                        "tester@example.com or one of the receivers.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "registry_app": {
                        "label": "Secret from the registry",
                        "description": "The app is in the registry of `lark-provider app add`; leave the app "
                        "secret empty.",
                        "schema": {"type": ["boolean", "null"], "default": False},
                    },
                    "owners": {
                        "label": "Owners",
                        "description": 'Whom mentions="owner" names: {"alice": "alice@example.com", '
                        '"data-team": ["ou_…", "ou_…"]}.',
                        "schema": {"type": ["object", "null"]},
                    },
                    "web_domain": {
                        "label": "Domain of Lark's pages",
                        "description": "For links in Airflow to chats and tables, where the platform is no "
                        "URL like https://open.feishu.cn.",
                        "schema": {
                            "type": ["string", "null"],
                            "examples": ["feishu.cn", "larksuite.com", "lark.example.com"],
                        },
                    },
                },
                "ui-field-behaviour": {
                    "hidden-fields": ["schema"],
                    "relabeling": {"login": "App ID", "password": "App secret", "host": "Platform"},
                    "placeholders": {
                        "login": "cli_…",
                        "password": "from the app's page Credentials & Basic Info",
                        "port": _PORT_HINT,
                        "host": "feishu (default), lark, or https://open.lark.example.com",
                    },
                },
            },
            {
                "connection-type": "lark_webhook",
                "hook-class-name": "lark_provider.hooks.webhook.LarkWebhookHook",
                "hook-name": "Lark / Feishu custom bot",
                "conn-fields": {
                    "sign_secret": {
                        "label": "Signing secret",
                        "description": "If the bot's security settings ask for signatures.",
                        "schema": {"type": ["string", "null"], "format": "password"},
                    },
                    "owners": {
                        "label": "Owners",
                        "description": 'Whom mentions="owner" names: {"alice": "ou_…", "data-team": '
                        '["ou_…", "user_id"]}.',
                        "schema": {"type": ["object", "null"]},
                    },
                    "keyword": {
                        "label": "Keyword",
                        "description": "If the bot asks for one, such as Airflow: messages without it are "
                        "not sent.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "proxy": _PROXY,
                    "verify": _VERIFY,
                },
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "login"],
                    "relabeling": {"password": "Webhook URL", "host": "Platform"},
                    "placeholders": {
                        "password": "https://open.feishu.cn/open-apis/bot/v2/hook/…",
                        "port": _PORT_HINT,
                        "host": "only if the password is not a whole URL: feishu, lark, or a URL",
                    },
                },
            },
        ],
    }
