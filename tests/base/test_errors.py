from __future__ import annotations

import inspect

from otoscope.base import errors


def raised() -> list[type]:
    """The classes that are raised, not warned with."""
    return [item for _, item in inspect.getmembers(errors, inspect.isclass) if not issubclass(item, Warning)]


def test_every_error_is_ours_and_what_the_user_can_fix_is_an_input_error() -> None:
    ours = raised()
    assert all(issubclass(error, errors.OtoscopeError) for error in ours)
    fixable = {error for error in ours if issubclass(error, errors.InputError)}
    assert fixable == {errors.InputError, errors.AudioError, errors.LabelError, errors.ModelError, errors.SiteError}


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    drawn = [word.strip("│├└─ ").split(" ")[0] for word in (errors.__doc__ or "").splitlines() if "Error" in word]
    assert sorted(drawn) == sorted(error.__name__ for error in raised())
