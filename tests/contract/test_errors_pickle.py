"""Every error crosses a process boundary with all it knows."""

from __future__ import annotations

import inspect
import pickle

import pytest

from embedl_nb import errors

CLASSES = [
    value for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, (Exception, Warning))
]


def _example(kind: type[BaseException]) -> BaseException:
    """Make an instance with a value of its own in every field."""
    parameters = list(inspect.signature(kind.__init__).parameters.values())
    fields = [each.name for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY]
    return kind("what happened", **{name: f"the {name}" for name in fields})


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_class_pickles_with_its_fields(kind: type[BaseException]) -> None:
    error = _example(kind)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert again.args == error.args == ("what happened",)
    assert vars(again) == vars(error)
    assert str(again) == str(error)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_class_is_in_the_tree_and_exported(kind: type[BaseException]) -> None:
    assert kind.__name__ in errors.__all__
    assert kind.__name__ in (errors.__doc__ or "")
    assert issubclass(kind, errors.EmbedlError) != issubclass(kind, errors.EmbedlWarning)


def test_errors_are_caught_by_pythons_own_names_too() -> None:
    assert issubclass(errors.InputError, ValueError)
    assert issubclass(errors.UnknownNameError, KeyError)
    assert issubclass(errors.MissingDependencyError, ImportError)
    assert issubclass(errors.DeviceTimeout, TimeoutError)


def test_a_message_comes_with_its_hint() -> None:
    error = errors.UnknownNameError("unknown name 'x'", hint="did you mean y?")
    assert str(error) == "unknown name 'x'\nTry: did you mean y?"
