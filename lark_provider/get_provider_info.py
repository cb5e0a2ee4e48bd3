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
        "hooks": [{"integration-name": "Lark", "python-modules": ["lark_provider.hooks.lark"]}],
        "operators": [
            {
                "integration-name": "Lark",
                "python-modules": ["lark_provider.operators.message", "lark_provider.operators.bitable"],
            }
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
            }
        ],
    }
