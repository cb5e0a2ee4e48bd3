"""What Airflow asks every installed provider, in every process: so a literal, and nothing imported."""

from __future__ import annotations


def get_provider_info() -> dict[str, object]:
    """Describe this provider to Airflow; the keys are those of Airflow's provider schema."""
    return {
        "package-name": "airflow-provider-lark",
        "name": "Lark / Feishu",
        "description": "Messages, cards and Bitable of `Lark / Feishu <https://open.feishu.cn/>`__.",
        "integrations": [
            {
                "integration-name": "Lark",
                "external-doc-url": "https://open.feishu.cn/document/",
                "tags": ["service"],
            }
        ],
        "hooks": [
            {
                "integration-name": "Lark",
                "python-modules": ["lark_provider.hooks.lark", "lark_provider.hooks.webhook"],
            }
        ],
        "operators": [
            {
                "integration-name": "Lark",
                "python-modules": [
                    "lark_provider.operators.message",
                    "lark_provider.operators.approval",
                    "lark_provider.operators.bitable",
                    "lark_provider.operators.update",
                    "lark_provider.operators.webhook",
                ],
            }
        ],
        "sensors": [{"integration-name": "Lark", "python-modules": ["lark_provider.sensors.card_callback"]}],
        "triggers": [
            {
                "integration-name": "Lark",
                "python-modules": ["lark_provider.triggers.card_callback", "lark_provider.triggers.events"],
            }
        ],
        "config": {
            "lark": {
                "description": "What all workers share for Lark / Feishu.",
                "options": {
                    "database_url": {
                        "description": "The PostgreSQL database for tokens, one fetch for all workers; "
                        "not Airflow's own. It wins over POSTGRES_* and LARK_DATABASE_URL.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "sensitive": True,
                        "example": "postgresql://lark:password@db.example.com:5432/lark_service",
                        "default": None,
                    },
                    "database_conn_id": {
                        "description": "A connection of type postgres to that database, instead of its URL.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "lark_database",
                        "default": None,
                    },
                    "rabbitmq_url": {
                        "description": "The RabbitMQ that the callback gateway publishes to. It wins over "
                        "RABBITMQ_*.",
                        "version_added": "0.1.0",
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
                    "proxy": {
                        "label": "Proxy",
                        "description": "URL of an HTTP proxy to Lark.",
                        "schema": {"type": ["string", "null"], "format": "password"},
                    },
                    "verify": {
                        "label": "Check certificates",
                        "description": "true, false, or the path of a private authority's certificates.",
                        "schema": {"type": ["string", "null"], "default": "true"},
                    },
                    "receivers": {
                        "label": "Receivers",
                        "description": 'Names for ids, as a JSON object: {"oncall": "oc_…"}.',
                        "schema": {"type": ["string", "null"], "format": "multiline"},
                    },
                    "redirect_all_to": {
                        "label": "Redirect all to",
                        "description": "An id or one of the receivers that gets every message, for tests.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "registry_app": {
                        "label": "Secret from the registry",
                        "description": "true: the app is in the registry of `lark-provider app add`.",
                        "schema": {"type": ["string", "null"], "enum": ["true", "false", None]},
                    },
                    "owners": {
                        "label": "Owners",
                        "description": "Owners of DAGs to their open_id or e-mail, as a JSON object.",
                        "schema": {"type": ["string", "null"], "format": "multiline"},
                    },
                    "event_encrypt_secret": {
                        "label": "Event encrypt key",
                        "description": "From the console's page on events and callbacks; kept, not used yet.",
                        "schema": {"type": ["string", "null"], "format": "password"},
                    },
                    "event_verification_token": {
                        "label": "Event verification token",
                        "description": "From the console's page on events and callbacks; kept, not used yet.",
                        "schema": {"type": ["string", "null"], "format": "password"},
                    },
                },
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "port"],
                    "relabeling": {"login": "App ID", "password": "App secret", "host": "Platform"},
                    "placeholders": {
                        "login": "cli_…",
                        "host": "feishu, lark, or the URL of a private deployment",
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
                        "description": "Owners of DAGs to their open_id or e-mail, as a JSON object.",
                        "schema": {"type": ["string", "null"], "format": "multiline"},
                    },
                    "keyword": {
                        "label": "Keyword",
                        "description": "If the bot asks for one: messages without it are not sent.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "proxy": {
                        "label": "Proxy",
                        "description": "URL of an HTTP proxy to Lark.",
                        "schema": {"type": ["string", "null"], "format": "password"},
                    },
                    "verify": {
                        "label": "Check certificates",
                        "description": "true, false, or the path of a private authority's certificates.",
                        "schema": {"type": ["string", "null"], "default": "true"},
                    },
                },
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "port", "login"],
                    "relabeling": {"password": "Webhook URL", "host": "Platform"},
                    "placeholders": {
                        "password": "https://open.feishu.cn/open-apis/bot/v2/hook/…",
                        "host": "only if the password is no whole URL: feishu, lark, or a URL",
                    },
                },
            },
        ],
    }
