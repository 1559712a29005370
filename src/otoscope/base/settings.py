"""Settings, each declared once with its type, default, bounds and help, in a frozen dataclass.

Checks, the options of a command (`cli.command`), a table of TOML, a manifest and the reference page follow from it.
Imports neither torch nor numpy.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import math
import re
import textwrap
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, fields, replace
from typing import Annotated, Any, ParamSpec, Self, TypeVar

from otoscope.base.errors import InputError

R = TypeVar("R")
S = TypeVar("S", bound="Settings")
P = ParamSpec("P")


@dataclass(frozen=True)
class Setting:
    """What is declared of a setting beside its type and default; bounds hold for every number of a tuple."""

    help: str
    metavar: str | None = None
    least: float | None = None  # the smallest number that is allowed
    above: float | None = None  # numbers must be larger than this
    most: float | None = None  # the largest number that is allowed
    choices: tuple[str, ...] | None = None  # the texts that are allowed
    option: str | None = None  # the command's option, where it is not `--name`
    read: Callable[[str], Any] | None = None  # parses the text of an option, where the type does not say how
    is_option: bool = True  # False: the command has no option for it
    has_commas: bool = False  # texts of a tuple may hold commas: the option is repeated for several


_REPEATED = re.compile(r"(?:[,;] (?:with commas or repeated|repeat it|repeat for several))")
"""How an option is given several values, which in Python is a list."""

SEED = Setting("Seed of everything that is drawn at random.", "N", least=0)
LANGUAGE = Setting("The language spoken (en, de, ...); detected by the model by default.", "CODE")

Seed = Annotated[int, SEED]
Language = Annotated[str | None, LANGUAGE]


@dataclass(frozen=True)
class SettingField:
    """A field of a settings class, as commands, TOML and the reference page use it."""

    name: str
    kind: Any  # int, float, str, bool, or another type; for a tuple, the type of its items
    is_tuple: bool
    can_be_none: bool
    default: Any  # MISSING where a value is required
    about: Setting

    @property
    def option(self) -> str:
        """The command's option."""
        return self.about.option or f"--{self.name.replace('_', '-')}"


class Settings:
    """A base for frozen dataclasses whose fields are `Annotated` with a `Setting`; refuses what is out of bounds.

    Any iterable may be given for a tuple.

    Raises:
        InputError: A value is of the wrong type or out of its bounds; the message says what is allowed.
    """

    def __post_init__(self) -> None:
        for field in setting_fields(type(self)):
            value = getattr(self, field.name)
            if field.is_tuple and isinstance(value, Iterable) and not isinstance(value, tuple | str):
                value = tuple(value)
                object.__setattr__(self, field.name, value)
            check(field, value)

    def to_json(self) -> dict[str, Any]:
        """Give the settings as a manifest has them."""
        values = {field.name: getattr(self, field.name) for field in setting_fields(type(self))}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    def to_toml(self) -> dict[str, Any]:
        """Give the settings as a table of TOML, which has no None: those are left out."""
        return {name: value for name, value in self.to_json().items() if value is not None}

    def narrowed(self, kind: type[S]) -> S:
        """Give the settings of another class, whose fields are a subset of these."""
        return kind(**{field.name: getattr(self, field.name) for field in setting_fields(kind)})

    def changed(self, table: Mapping[str, Any], label: str) -> Self:
        """Replace settings by the values of a table, as read from TOML.

        Args:
            table: Name to value.
            label: What the table is called in messages.

        Raises:
            InputError: There is no setting of that name, or its value is not allowed.
        """
        known = {field.name: field for field in setting_fields(type(self))}
        for name in table:
            refuse_unknown(name, list(known), f"{label} has no", "keys")
        values = {name: _from_toml(known[name], value, f"{label} {name}") for name, value in table.items()}
        try:
            return replace(self, **values)  # type: ignore[type-var]
        except InputError as error:
            raise InputError(f"{label} {error}") from None


def setting_fields(settings: type[Any]) -> tuple[SettingField, ...]:
    """Give the fields of a settings class, in order."""
    if settings not in _known_fields:
        _known_fields[settings] = _read_fields(settings)
    return _known_fields[settings]


_known_fields: dict[type[Any], tuple[SettingField, ...]] = {}


def _read_fields(settings: type[Any]) -> tuple[SettingField, ...]:
    hints = typing.get_type_hints(settings, include_extras=True)
    return tuple(_setting_field(field, hints[field.name]) for field in fields(settings))


def _setting_field(field: Field[Any], hint: Any) -> SettingField:
    about = None
    if typing.get_origin(hint) is Annotated:
        hint, *rest = typing.get_args(hint)
        about = next((item for item in rest if isinstance(item, Setting)), None)
    if about is None:
        raise TypeError(f"the setting {field.name} is not Annotated with a Setting, which describes it.")
    can_be_none = typing.get_origin(hint) in (types.UnionType, typing.Union) and type(None) in typing.get_args(hint)
    if can_be_none:
        hint = next(item for item in typing.get_args(hint) if item is not type(None))
    is_tuple = typing.get_origin(hint) is tuple
    kind = typing.get_args(hint)[0] if is_tuple else hint
    default = field.default_factory() if field.default_factory is not MISSING else field.default
    return SettingField(field.name, kind, is_tuple, can_be_none, default, about)


def check(field: SettingField, value: Any) -> None:
    """Refuse a value that a setting cannot have.

    Raises:
        InputError: It is of the wrong type or out of bounds.
    """
    if value is None and field.can_be_none:
        return
    for item in value if field.is_tuple and isinstance(value, list | tuple) else (value,):
        _check_item(field, item)


def _check_item(field: SettingField, value: Any) -> None:
    about, name = field.about, field.name
    if field.kind in (int, float):
        if not _is_number(value, field.kind):
            raise InputError(f"{name} is {value!r}: give {_allowed(field)}.")
        too_small = about.least is not None and value < about.least
        too_small = too_small or (about.above is not None and value <= about.above)
        if too_small or (about.most is not None and value > about.most):
            raise InputError(f"{name} is {value!r}: give {_allowed(field)}.")
    elif field.kind is bool and not isinstance(value, bool):
        raise InputError(f"{name} is {value!r}: give True or False.")
    elif about.choices is not None and value not in about.choices:
        near = difflib.get_close_matches(str(value).lower(), about.choices, 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise InputError(f"{name} is {value!r}: give one of {', '.join(about.choices)}.{hint}")


def _is_number(value: Any, kind: type) -> bool:
    if isinstance(value, bool) or not hasattr(value, "__index__" if kind is int else "__float__"):
        return False
    return not isinstance(value, str) and math.isfinite(value)


def _allowed(field: SettingField) -> str:
    about, number = field.about, "a whole number" if field.kind is int else "a number"
    if about.least is not None and about.most is not None:
        return f"{number} from {about.least:.10g} to {about.most:.10g}"
    if about.above is not None and about.most is not None:
        return f"{number} above {about.above:g} and up to {about.most:g}"
    if about.least is not None:
        return f"{number} of {about.least:g} or more"
    return f"{number} above {about.above:g}" if about.above is not None else number


def _from_toml(field: SettingField, value: Any, label: str) -> Any:
    if field.is_tuple:
        if not isinstance(value, list):
            raise InputError(f"{label} is {value!r}: give a list, in square brackets.")
        return tuple(_item_from_toml(field, item, label) for item in value)
    return _item_from_toml(field, value, label)


def _item_from_toml(field: SettingField, value: Any, label: str) -> Any:
    kind = field.kind if field.kind in (int, float, str, bool) else str
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        words = {int: "a whole number", float: "a number", str: "text in quotes", bool: "true or false"}
        raise InputError(f"{label} is {value!r}: give {words[kind]}.")
    return value


def refuse_unknown(name: str, known: list[str], message: str, kind: str) -> None:
    """Refuse a name that is not among the known ones, and name the nearest."""
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise InputError(f"{message} {name!r}. {hint}The {kind} are {', '.join(known)}.")


def takes(settings: type[Settings]) -> Callable[[Callable[P, R]], Callable[..., R]]:
    """Let a function with a parameter `settings` also take every setting by name.

    `window(model, clips, ks=(50, 20))` is `window(model, clips, settings=WindowSettings(ks=(50, 20)))`; settings given
    by name override those in `settings`.
    """
    names = [field.name for field in fields(settings)]  # type: ignore[arg-type]

    def decorate(function: Callable[P, R]) -> Callable[..., R]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def call(*args: Any, **given: Any) -> R:
            by_name = {name: given.pop(name) for name in names if name in given}
            bound = signature.bind_partial(*args, **given)
            base = bound.arguments.get("settings")
            bound.arguments["settings"] = settings(**by_name) if base is None else replace(base, **by_name)
            return function(*bound.args, **bound.kwargs)

        call.__signature__ = _with_named_settings(signature, settings)  # type: ignore[attr-defined]
        call.__doc__ = _with_settings_section(function.__doc__ or "", settings)
        return call

    return decorate


def _with_named_settings(signature: inspect.Signature, settings: type) -> inspect.Signature:
    """The signature with a keyword for every setting, and `settings` where it was, which may be left out."""
    kind = inspect.Parameter.KEYWORD_ONLY
    hints = typing.get_type_hints(settings)
    named = [
        inspect.Parameter(
            field.name,
            kind,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=_shown_type(hints[field.name], field),
        )
        for field in setting_fields(settings)
    ]
    optional = f"{settings.__name__} | None"
    rest = [
        parameter.replace(default=None, annotation=optional) if name == "settings" else parameter
        for name, parameter in signature.parameters.items()
    ]
    before = [parameter for parameter in rest if parameter.kind is not kind]
    return signature.replace(parameters=[*before, *named, *(item for item in rest if item.kind is kind)])


def _shown_type(hint: Any, field: SettingField) -> str:
    """A setting's type as a caller may give it: any iterable for a tuple."""
    if not field.is_tuple:
        return hint.__name__ if isinstance(hint, type) else str(hint)
    items = f"Iterable[{field.kind.__name__ if isinstance(field.kind, type) else field.kind}]"
    return f"{items} | None" if field.can_be_none else items


def _with_settings_section(text: str, settings: type) -> str:
    """The docstring with the help of every setting after its other arguments."""
    rows = [
        textwrap.fill(
            f"{field.name}: {_REPEATED.sub('', field.about.help)}",
            120,
            initial_indent=" " * 8,
            subsequent_indent=" " * 12,
        )
        for field in setting_fields(settings)
    ]
    before, args, after = text.partition("\n    Args:\n")
    if not args:
        return "\n".join([text.rstrip(), "", "    Args:", *rows, "    "])
    described, blank, rest = after.partition("\n\n")
    return f"{before}{args}" + "\n".join([described.rstrip(), *rows]) + (blank + rest if blank else "\n    ")
