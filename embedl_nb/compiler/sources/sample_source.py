"""Whether samples are made up: noise and constants exercise a model, but say little of what it does with real data.

Nobody can tell real data by looking, so samples are either recognized as synthetic or stay what the caller gave.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from embedl_nb.model.evidence import SampleSource

if TYPE_CHECKING:
    import numpy as np

    from embedl_nb.compiler.sources.pictures import ImageInput

    Array = np.ndarray[Any, Any]

__all__ = ["source_of"]

_FEWEST_VALUES = 256
_STANDARD_ERRORS = 6.0
# Variance and fourth central moment of what random generators draw from.
_NORMAL, _UNIFORM = (1.0, 3.0), (1 / 12, 1 / 80)


def source_of(samples: Mapping[str, Array], images: Iterable[tuple[str, ImageInput]] = ()) -> SampleSource:
    """Say whether every floating-point array of some size is constant, ``torch.rand`` or ``torch.randn``.

    Values count as drawn at random where neighbours are uncorrelated and mean and variance are those of the generator,
    each within six standard errors.

    Parameters
    ----------
    samples
        Arrays of any shape; integers and arrays below 256 values say nothing.
    images
        Inputs that are pictures, of which is known whether they are made up.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> str(source_of({"0/x": rng.standard_normal((1, 3, 32, 32))}))
    'synthetic'
    >>> str(source_of({"0/x": np.sin(np.arange(3072.0)).reshape(1, 3, 32, 32)}))
    'given'
    """
    pictures = dict(images)
    telling = [
        array
        for key, array in samples.items()
        if array.dtype.kind == "f" and array.size >= _FEWEST_VALUES and key.partition("/")[2] not in pictures
    ]
    verdicts = [*(image.is_made_up for image in pictures.values()), *(_is_made_up(array) for array in telling)]
    if verdicts and all(verdicts):
        return SampleSource.SYNTHETIC
    return SampleSource.GIVEN


def _is_made_up(array: Array) -> bool:
    import numpy as np

    values = array.reshape(-1).astype(np.float64)
    if not np.isfinite(values).all():
        return False
    if (values == values[0]).all():
        return True
    tolerance = _STANDARD_ERRORS / np.sqrt(values.size)
    centred = values - values.mean()
    variance = float(np.mean(centred**2))
    if abs(float(np.mean(centred[1:] * centred[:-1]))) > tolerance * variance:
        return False
    is_uniform = values.min() >= 0 and values.max() <= 1
    mean, (expected, fourth) = (0.5, _UNIFORM) if is_uniform else (0.0, _NORMAL)
    spread = np.sqrt(fourth - expected**2)
    is_mean = abs(float(values.mean()) - mean) <= tolerance * np.sqrt(expected)
    return bool(is_mean and abs(variance - expected) <= tolerance * spread)
