"""Render template fields of operators and notifiers: some values name files, and some must not be None."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.exceptions import AirflowFailException

from lark_provider.hooks import missing_xcoms
from lark_provider.hooks.missing_xcoms import MissingXcom, shorten

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import Context

_FILES = {"content": (".json", ".md"), "sql": (".sql",)}
_TEXTS = frozenset(
    {"receiver_id", "content", "title", "text", "card_title", "file_name", "submitter", "idempotency_key"}
)
"""Fields in which a number can only be a text that a DAG with `render_template_as_native_obj` has parsed."""
_ROWS = {"records"}  # of a table, whose cells may be empty


class StrictTemplates:
    """Read files only for `content` and `sql`, and refuse to render a missing XCom.

    List it before Airflow's base class. Airflow's own `template_ext` applies to every field and takes any
    text with such an extension for a file name, so that a message "Wrote README.md" would fail its task. It
    stays empty here.

    A missing XCom is still None in three places: in functions and filters that the DAG defines, which may
    write it as text; in the result of `ti['xcom_pull']` or `axcom_pull`; and if the DAG's environment has its
    own `finalize`.
    """

    template_ext: Sequence[str] = ()
    #: Fields that are refused if a template in them renders to None or to the text "None".
    required_templates: ClassVar[Collection[str]] = ()
    #: Required fields that name people: an empty list would mean all users, and is refused as well.
    people_templates: ClassVar[Collection[str]] = ()
    #: Fields that `execute` renders by `render_late`, since they may name what it finds out first.
    late_templates: ClassVar[Collection[str]] = ()
    _resolved_ids: frozenset[int] = frozenset()

    def _do_render_template_fields(
        self,
        parent: Any,
        template_fields: Iterable[str],
        context: Context,
        jinja_env: jinja2.Environment,
        seen_oids: set[int],
    ) -> None:
        """Render template fields in place; Airflow calls this for mapped and other tasks, and for notifiers.

        Args:
            parent: The object whose attributes the fields are.
            template_fields: The names of the fields to render.
            context: The task's Airflow context.
            jinja_env: The DAG's environment; its loader looks in the DAG's folder and `template_searchpath`.
            seen_oids: Ids of the objects that have been rendered.

        Raises:
            AirflowFailException: An XCom that a field needs is missing, which no retry changes.
        """
        if parent is not self:  # a nested object with template fields of its own
            super()._do_render_template_fields(parent, template_fields, context, jinja_env, seen_oids)  # type: ignore[misc]  # Airflow's
            return
        if self.late_templates:
            template_fields = [name for name in template_fields if name not in self.late_templates]
            # What a mapped task got from other tasks is no template of the DAG's author.
            self._resolved_ids = frozenset(seen_oids)
        for name, endings in _FILES.items():
            if name in template_fields:
                setattr(self, name, read_source(getattr(self, name), jinja_env, endings))
        templates = {name: getattr(self, name) for name in self.required_templates}
        super()._do_render_template_fields(parent, template_fields, context, jinja_env, seen_oids)  # type: ignore[misc]  # Airflow's
        for name in template_fields:
            if name in self.required_templates and name not in _ROWS:
                missing_xcoms.refuse_within(getattr(self, name))
            rendered = missing_xcoms.replace_missing(getattr(self, name))
            is_number = isinstance(rendered, int) and not isinstance(rendered, bool)
            setattr(self, name, str(rendered) if name in _TEXTS and is_number else rendered)
        for name, template in templates.items():
            rendered = getattr(self, name)
            if (
                name not in _ROWS
                and isinstance(rendered, list | tuple | dict)
                and _has_lost(template, rendered)
            ):
                raise AirflowFailException(
                    f"{name} must have a value, got None in it after rendering {shorten(template)}. Next: "
                    "check that the upstream tasks ran and returned a value, and their task ids and keys."
                )
            is_given = template is not None and (not isinstance(template, list | tuple) or bool(template))
            is_collection = isinstance(rendered, list | tuple | set | dict)
            is_missing = rendered is None or (isinstance(rendered, str) and rendered == "None")
            if name in self.people_templates and is_collection:
                is_missing = not rendered
            if is_given and template is not rendered and template != "None" and is_missing:
                what = f"an empty {type(rendered).__name__}" if is_collection else "None"
                raise AirflowFailException(
                    f"{name} must have a value, got {what} after rendering {shorten(template)}. Next: "
                    "check that the upstream task ran and returned a value, and its task id and key."
                )

    def render_late(self, template: Any, context: Context) -> Any:
        """Render the value of one of `late_templates`.

        Args:
            template: The value: a template, an output of another task, or a collection of them.
            context: The task's Airflow context, with what else the template may name.

        Raises:
            AirflowFailException: A template that pulls an XCom writes None.
        """
        return self.render_template(template, context, seen_oids=set(self._resolved_ids))

    def render_template(
        self,
        content: Any,
        context: Context,
        jinja_env: jinja2.Environment | None = None,
        seen_oids: set[int] | None = None,
    ) -> Any:
        """Render a value as Airflow does, but refuse to write a missing XCom as the text "None".

        Args:
            content: A text, or a collection that holds texts.
            context: The task's Airflow context.
            jinja_env: The Jinja environment; None for that of `get_template_env`.
            seen_oids: Ids of the objects that have been rendered.

        Raises:
            AirflowFailException: A template that pulls an XCom writes None.
        """
        if isinstance(content, str) and "{" in content:
            env = jinja_env or self.get_template_env()  # type: ignore[attr-defined]  # Airflow's
            if env.finalize is None:  # else the DAG itself defines how None is rendered
                strict = missing_xcoms.make_strict_environment(env, content)
                rendered = super().render_template(content, context, strict, seen_oids)  # type: ignore[misc]  # Airflow's
                return None if isinstance(rendered, MissingXcom) else rendered
        return super().render_template(content, context, jinja_env, seen_oids)  # type: ignore[misc]  # Airflow's


def _has_lost(template: Any, rendered: Any) -> bool:
    """Return whether a rendered value contains a None where the template had something to render."""
    if type(template) is dict and type(rendered) is dict:
        return any(_has_lost(part, rendered.get(name)) for name, part in template.items())
    if type(template) in {list, tuple} and type(template) is type(rendered):
        return any(map(_has_lost, template, rendered))
    return rendered is None and (isinstance(template, str) or is_output(template))


def is_output(value: object) -> bool:
    """Return whether a value is the output of a task, which Airflow resolves when it renders templates.

    Args:
        value: What a DAG passes for a template field.
    """
    return hasattr(value, "resolve")


def read_source(
    content: Any, jinja_env: jinja2.Environment, endings: tuple[str, ...] = _FILES["content"]
) -> Any:
    """Return the template that a content names, or the content itself.

    Args:
        content: The path of a file if it has one of the extensions, has no white space, and such a file
            exists in the folders that the environment loads from.
        jinja_env: The DAG's environment.
        endings: The extensions of files that are read as templates, such as `.json`.
    """
    if not (isinstance(content, str) and content.endswith(endings)) or any(map(str.isspace, content)):
        return content
    from jinja2 import TemplateNotFound

    try:
        return content if jinja_env.loader is None else jinja_env.loader.get_source(jinja_env, content)[0]
    except TemplateNotFound:
        return content
