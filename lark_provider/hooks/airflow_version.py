"""One clear sentence on an Airflow that is too old, instead of an ImportError from somewhere inside."""

from __future__ import annotations

from lark_provider.errors import ConfigurationError

OLDEST = (3, 2)


def require(found: str | None) -> None:
    """Refuse an Airflow that lacks what the hooks and operators use.

    Args:
        found: Its version, or None if there is none.

    Raises:
        ConfigurationError: It is older than 3.2, or missing.
    """
    oldest = ".".join(map(str, OLDEST))
    if found is None:
        raise ConfigurationError(
            "Lark hooks and operators need Apache Airflow, which is not installed. Next: install "
            "'airflow-provider-lark[airflow]', or use lark_provider.LarkServiceClient, which does without."
        )
    numbers = tuple(int(part) for part in found.split(".")[:2] if part.isdigit())
    if numbers < OLDEST:
        raise ConfigurationError(
            f"Lark hooks and operators need Apache Airflow {oldest} or later; this is {found}. Next: upgrade "
            "Airflow, or call lark_provider.LarkServiceClient from a PythonOperator."
        )


try:
    from airflow import __version__ as _installed
except ImportError:
    require(None)
else:
    require(_installed)
