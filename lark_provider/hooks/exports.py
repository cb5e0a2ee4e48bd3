"""Load the exports of the packages that need Airflow on use, and only with a supported version of Airflow.

Each of these packages calls `make_lazy_getattr` in its `__init__`, which Python runs before any module of the
package. If Airflow is too old, the error therefore says so, instead of being an ImportError from some module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lark_provider.errors import ConfigurationError
from lark_provider.support.exports import make_getattr

OLDEST_AIRFLOW = (3, 2)


def require_airflow(version: str | None) -> None:
    """Refuse an Airflow that lacks what the hooks and operators use.

    Args:
        version: The installed version, such as "3.3.2"; None if Airflow is not installed.

    Raises:
        ConfigurationError: Airflow is older than 3.2, or missing.
    """
    if version is None:
        raise ConfigurationError(
            "Lark hooks and operators need Apache Airflow, which is not installed. Next: install "
            "'airflow-provider-lark[airflow]', or use lark_provider.LarkServiceClient, which does without."
        )
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < OLDEST_AIRFLOW:
        oldest = ".".join(map(str, OLDEST_AIRFLOW))
        raise ConfigurationError(
            f"Lark hooks and operators need Apache Airflow {oldest} or later, got {version}. Next: upgrade "
            "Airflow, or call lark_provider.LarkServiceClient from a PythonOperator."
        )


def make_lazy_getattr(package: str, modules: Mapping[str, str]) -> Callable[[str], object]:
    """Return a package's `__getattr__`, which imports an exported name's module when the name is used.

    Args:
        package: The package's name.
        modules: Exported names, each with the module in the package that defines it.

    Raises:
        ConfigurationError: Airflow is older than 3.2, or missing.
    """
    try:
        from airflow import __version__ as version
    except ImportError:
        require_airflow(None)
    else:
        require_airflow(version)
    return make_getattr(package, {name: f".{module}" for name, module in modules.items()})
