"""Pages of the reference that are generated from the code."""

from __future__ import annotations

from website.layout import Language
from website.reference import airflow, client, commands, connection, errors, limits, metrics, tables, values

_PAGES = {
    "airflow": airflow,
    "api": values,
    "client": client,
    "commands": commands,
    "connection": connection,
    "errors": errors,
    "limits": limits,
    "metrics": metrics,
    "tables": tables,
}


def make_pages(language: Language) -> dict[str, str]:
    """Return the generated pages of a language, by name.

    Raises:
        SiteError: A text of the code has no Chinese where the Chinese page needs it.
    """
    return {f"reference/{name}.md": module.make_page(language) for name, module in _PAGES.items()}
