"""Example inputs are bound to what a model declares, or made up, or refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from embedl_nb.compiler.keras.binding import Given, InputSpec, bind, read_given
from embedl_nb.compiler.sources.pictures import image_input
from embedl_nb.errors import InputError, SignatureMismatchError

IMAGE = InputSpec(name="image", shape=(-1, 4, 4, 3), dtype="float32")
IDS = InputSpec(name="ids", shape=(-1, 5), dtype="int32")
X = np.ones((2, 4, 4, 3))


def _bound(specs: Any, example_inputs: Any) -> Any:
    return bind(specs, read_given(example_inputs).of(("serving_default",))["serving_default"], name="net")


@pytest.mark.parametrize("given", [(X, np.ones((2, 5), int)), {"ids": np.ones((2, 5), int), "image": X}])
def test_inputs_are_taken_by_position_and_by_name(given: Any) -> None:
    samples = _bound((IMAGE, IDS), given)
    assert samples.names == ("image", "ids")
    assert {key: (array.shape, str(array.dtype)) for key, array in samples.arrays().items()} == {
        "0/image": ((2, 4, 4, 3), "float32"),
        "0/ids": ((2, 5), "int32"),
    }
    assert not samples.is_made_up
    assert "compiled for (2, 4, 4, 3), as in the example inputs" in samples.notes[0]


def test_without_inputs_they_are_made_up_and_the_batch_is_one() -> None:
    samples = _bound((IMAGE, IDS), None)
    assert samples.is_made_up
    assert samples.samples[0]["image"].shape == (1, 4, 4, 3)
    assert not samples.samples[0]["ids"].any()  # an index of 0 is valid everywhere
    assert "compiled for (1, 4, 4, 3), there were no example inputs" in samples.notes[0]


def test_made_up_inputs_are_the_same_every_time_and_in_any_order() -> None:
    one, two = _bound((IMAGE, IDS), None), _bound((IDS, IMAGE), None)
    assert np.array_equal(one.samples[0]["image"], two.samples[0]["image"])


def test_an_open_dimension_besides_the_batch_needs_an_example() -> None:
    spec = InputSpec(name="sequence", shape=(-1, -1, 8), dtype="float32")
    with pytest.raises(InputError, match=r"sequence float32 \(\?, \?, 8\)"):
        _bound((spec,), None)
    assert _bound((spec,), np.ones((1, 7, 8))).samples[0]["sequence"].shape == (1, 7, 8)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ((X,), "1 inputs were given, and the model takes 2"),
        ({"image": X}, "also needs 'ids'"),
        ({"image": X, "ids": np.ones((2, 5)), "z": X}, "has no input 'z'"),
        ((np.ones((2, 4, 4, 1)), np.ones((2, 5))), r"input 'image' has shape \(2, 4, 4, 1\)"),
        ((X, np.full((2, 5), 0.5)), "float64 values that int32 cannot hold"),
        ((X, np.full((2, 5), 2**40)), "int64 values that int32 cannot hold"),
    ],
)
def test_inputs_that_do_not_fit_are_named(given: Any, says: str) -> None:
    with pytest.raises(SignatureMismatchError, match=says):
        _bound((IMAGE, IDS), given)


def test_samples_of_different_shapes_are_refused() -> None:
    with pytest.raises(SignatureMismatchError, match="sample 1, input 'image'"):
        _bound((IMAGE,), [X, X[:1]])


@pytest.mark.parametrize("given", [[], {}, "text", (None,), {1: X}, np.array(["a"]), {"image": "text"}])
def test_what_is_no_array_of_numbers_is_refused(given: Any) -> None:
    with pytest.raises(InputError):
        read_given(given)


@pytest.mark.parametrize(
    "example", [None, X, (X, X), [X, X + 1], {"a": X}, [{"a": X}, {"a": X + 1}], {"f": (X, X), "g": [{"a": X}]}]
)
def test_what_was_given_reaches_the_child_as_it_is(example: Any) -> None:
    given = read_given(example)
    again = Given.unpacked(*given.packed())
    assert again.shapes() == given.shapes()
    for key in ("", *given.by_key):
        one, two = (each.by_key.get(key, each.samples) for each in (given, again))
        np.testing.assert_equal(one, two)


def test_several_signatures_take_their_samples_by_key() -> None:
    by_key = read_given({"encode": X, "decode": (X, X)}).of(("encode", "decode"))
    assert {key: len(samples[0]) for key, samples in by_key.items()} == {"encode": 1, "decode": 2}
    assert read_given(None).of(("encode", "decode")) == {"encode": (), "decode": ()}
    with pytest.raises(SignatureMismatchError, match="signatures encode, decode"):
        read_given(X).of(("encode", "decode"))


def test_an_image_input_is_refused_by_its_name() -> None:
    with pytest.raises(InputError, match="input 'x' is an image_input, which Keras") as caught:
        read_given({"x": image_input(8)})
    assert "Rescaling" in caught.value.hint
