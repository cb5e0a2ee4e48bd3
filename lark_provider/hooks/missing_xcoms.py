"""Missing XComs in templates: an object that cannot become text takes the place of Airflow's None."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk.exceptions import AirflowFailException

if TYPE_CHECKING:
    import jinja2

_SHOWN = 160  # characters of a template in an error
_OWN = (FunctionType, MethodType, functools.partial)


class MissingXcom:
    """Replace the None of a missing XCom: it is false and equals None, and raises if it would become text.

    Args:
        template: The template that pulls it, for the error.
    """

    __slots__ = ("_template",)

    def __init__(self, template: str) -> None:
        self._template = template

    def _refuse(self, *_: object) -> NoReturn:
        raise AirflowFailException(
            f"An XCom in {shorten(self._template)} must have a value, got None. Next: check that the "
            "upstream task ran and returned a value, and its task id and key; or write a substitute: "
            "(xcom_pull(…) or '…')."
        )

    __str__ = __repr__ = __format__ = __add__ = __radd__ = __mul__ = __rmul__ = __mod__ = _refuse

    def __bool__(self) -> bool:
        return False

    def __eq__(self, other: object) -> bool:
        return other is None or isinstance(other, MissingXcom)

    def __hash__(self) -> int:
        return hash(None)


def make_strict_environment(env: jinja2.Environment, template: str) -> jinja2.Environment:
    """Return an environment whose templates get a `MissingXcom` if a pull finds no XCom.

    Functions, filters and tests that the DAG itself defines still get None.

    Args:
        env: The DAG's environment.
        template: The template to render, for the error.
    """
    from jinja2.filters import FILTERS
    from jinja2.tests import TESTS

    missing, overlay = MissingXcom(template), env.overlay()
    if "xcom_pull" in template:  # A member of an XCom may also be None.
        overlay = env.overlay(finalize=lambda value: missing if value is None else value)
    overlay.filters = {
        name: _pass_none(function, FILTERS.get(name)) for name, function in env.filters.items()
    }
    for name in ("default", "d"):
        if env.filters.get(name) is FILTERS[name]:
            overlay.filters[name] = _apply_default
    overlay.tests = {
        name: _pass_none(function, None if name in {"none", "sameas"} else TESTS.get(name))
        for name, function in env.tests.items()
    }
    if overlay.policies.get("json.dumps_function") is None:
        settings = overlay.policies.get("json.dumps_kwargs") or {}
        overlay.policies = {**overlay.policies, "json.dumps_kwargs": {"default": _to_json, **settings}}
    look_up = overlay.getattr

    def get_attribute(owner: Any, name: str) -> Any:
        value = look_up(owner, name)
        return _pull(value, missing) if name == "xcom_pull" and callable(value) else value

    overlay.getattr = get_attribute  # type: ignore[method-assign, assignment]  # compiled templates call it
    overlay.context_class = _make_context_class(env.context_class, missing)
    return overlay


def replace_missing(value: Any) -> Any:
    """Return a value with None for each missing XCom in it."""
    if isinstance(value, MissingXcom):
        return None
    if next(_find_missing(value), None) is None:
        return value
    if isinstance(value, Mapping):
        return {name: replace_missing(part) for name, part in value.items()}
    return type(value)(replace_missing(part) for part in value)


def refuse_within(value: Any) -> None:
    """Refuse a list or dict that holds a missing XCom.

    Raises:
        AirflowFailException: It holds one.
    """
    for missing in _find_missing(value):
        str(missing)


def shorten(template: object) -> str:
    """Return a template as errors quote it."""
    text = repr(template)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _find_missing(value: Any) -> Iterator[MissingXcom]:
    if isinstance(value, MissingXcom):
        yield value
    elif type(value) in {dict, list, tuple, set}:
        for part in value.values() if isinstance(value, dict) else value:
            yield from _find_missing(part)


def _pull(function: Callable[..., Any], missing: MissingXcom) -> Callable[..., Any]:
    @functools.wraps(function)
    def pull(*args: Any, **kwargs: Any) -> Any:
        pulled = function(*args, **kwargs)
        if pulled is None:
            return missing
        selectors = (args[0] if args else kwargs.get("task_ids"), kwargs.get("map_indexes"))
        if isinstance(pulled, list) and any(
            hasattr(selector, "__iter__") and type(selector) is not str for selector in selectors
        ):
            return [missing if value is None else value for value in pulled]
        return pulled

    return pull


def _pass_none(function: Any, builtin: object) -> Any:
    """Return a filter or a test that gets None for a missing XCom, unless it is Jinja's own."""
    if function is builtin:
        return function

    @functools.wraps(function)  # keeps Jinja's marks, such as that of a function that takes the context
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(
            *map(replace_missing, args), **{name: replace_missing(value) for name, value in kwargs.items()}
        )

    return wrapper


def _apply_default(value: Any, default_value: Any = "", boolean: bool = False) -> Any:
    from jinja2.filters import do_default

    return default_value if isinstance(value, MissingXcom) else do_default(value, default_value, boolean)


def _to_json(value: object) -> NoReturn:
    if isinstance(value, MissingXcom):
        str(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _make_context_class(
    base: type[jinja2.runtime.Context], missing: MissingXcom
) -> type[jinja2.runtime.Context]:
    class Context(base):  # type: ignore[valid-type, misc]  # the DAG's
        """Calls of Python functions: they get None, and what they pulled and did not find is missing."""

        def call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
            is_wrapper = isinstance(getattr(function, "__wrapped__", None), BuiltinFunctionType)
            if not isinstance(function, _OWN) or is_wrapper:  # the sandbox wraps str.format
                return super().call(function, *args, **kwargs)
            args = tuple(map(replace_missing, args))
            kwargs = {name: replace_missing(value) for name, value in kwargs.items()}
            result, run = super().call(function, *args, **kwargs), self.get("ti")
            has_run = run is not None and any(argument is run for argument in (*args, *kwargs.values()))
            may_pull = has_run or hasattr(function, "jinja_pass_arg")
            return missing if result is None and may_pull else result

    return Context
