"""How near two arrays are: the one home of SQNR, PSNR, cosine and agreement.

In: an array of a reference and the same of a model. Out: a number. In float64, whatever they are.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike

__all__ = [
    "as_real",
    "cosine",
    "decibels",
    "finite",
    "largest_absolute",
    "psnr_db",
    "sqnr_db",
    "top1_agreement",
    "topk_agreement",
]


def sqnr_db(reference: ArrayLike, value: ArrayLike) -> float:
    """Return the signal to quantization noise ratio of ``value``, in dB; larger is nearer.

    ``10 log10(sum(r^2) / sum((r - v)^2))`` over all elements, r the reference and v the value, in float64. Elements
    that are not finite in the reference are left out.

    Parameters
    ----------
    reference, value
        Same shape, real numbers.

    Returns
    -------
    float
        ``inf`` where they are equal; ``-inf`` where the reference is all zeros and the value is not, or where the value
        is not finite and the reference is.

    Examples
    --------
    >>> round(sqnr_db([1.0, 2.0], [1.0, 2.002]), 1)
    61.0
    >>> sqnr_db([1.0, 2.0], [1.0, 2.0])
    inf
    """
    import numpy as np

    r, v = finite(reference, value)
    # Scaled to 1, so that squares neither overflow nor vanish.
    scale = largest_absolute(r) or 1.0
    with np.errstate(over="ignore"):
        noise, signal = float((((r - v) / scale) ** 2).sum()), float(((r / scale) ** 2).sum())
    return decibels(noise, signal=signal)


def decibels(noise: float, *, signal: float = 1.0) -> float:
    """Return the ratio of two powers in dB: ``inf`` for no noise, ``-inf`` for nothing but noise.

    Examples
    --------
    >>> decibels(0.01), decibels(0.0), decibels(1.0, signal=0.0)
    (20.0, inf, -inf)
    """
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal and math.isfinite(noise) else -math.inf


def psnr_db(reference: ArrayLike, value: ArrayLike) -> float:
    """Return the peak signal to noise ratio of ``value``, in dB; larger is nearer.

    ``10 log10(max(|r|)^2 / mean((r - v)^2))`` over all elements, in float64. The peak is the reference's own largest
    absolute value, since an output has no range of its own. Elements that are not finite in the reference are left out.

    Returns
    -------
    float
        ``inf`` where they are equal; ``-inf`` as for :func:`sqnr_db`.

    Examples
    --------
    >>> round(psnr_db([1.0, 2.0], [1.0, 2.002]), 1)
    63.0
    """
    import numpy as np

    r, v = finite(reference, value)
    scale = largest_absolute(r) or 1.0
    with np.errstate(over="ignore"):
        noise = float((((r - v) / scale) ** 2).mean()) if r.size else 0.0
    if noise == 0:
        return math.inf
    return -10 * math.log10(noise) if r.any() and math.isfinite(noise) else -math.inf


def cosine(reference: ArrayLike, value: ArrayLike) -> float:
    """Return the cosine of the angle between two arrays taken as vectors, -1 to 1; 1 is the same direction.

    ``sum(r v) / sqrt(sum(r^2) sum(v^2))`` in float64. Two zero vectors are alike (1), one zero vector is like no other
    (0), and so is a value that is not finite where the reference is. Elements that are not finite in the reference are
    left out.

    Examples
    --------
    >>> cosine([1.0, 0.0], [2.0, 0.0]), cosine([1.0, 0.0], [0.0, 1.0]), cosine([0.0], [0.0])
    (1.0, 0.0, 1.0)
    """
    import numpy as np

    r, v = finite(reference, value)
    if not np.isfinite(v).all():
        return 0.0
    r, v = r / (largest_absolute(r) or 1.0), v / (largest_absolute(v) or 1.0)
    lengths = float(np.linalg.norm(r)) * float(np.linalg.norm(v))
    if lengths == 0:
        return 1.0 if not r.any() and not v.any() else 0.0
    return float(np.clip(r @ v / lengths, -1.0, 1.0))


def top1_agreement(reference: ArrayLike, value: ArrayLike) -> float:
    """Return the share of rows whose largest entry is in the same place.

    Parameters
    ----------
    reference, value
        Shape (N, C), class scores.

    Examples
    --------
    >>> top1_agreement([[0.1, 0.9], [0.8, 0.2]], [[0.2, 0.8], [0.4, 0.6]])
    0.5
    """
    import numpy as np

    return float((np.argmax(reference, axis=-1) == np.argmax(value, axis=-1)).mean())


def topk_agreement(reference: ArrayLike, value: ArrayLike, *, k: int) -> float:
    """Return the share of rows whose largest entry in the reference is among the ``k`` largest of the value.

    Parameters
    ----------
    reference, value
        Shape (N, C), class scores, C > k.

    Examples
    --------
    >>> topk_agreement([[0.1, 0.9, 0.0]], [[0.8, 0.2, 0.0]], k=2)
    1.0
    """
    import numpy as np

    winners = np.argmax(reference, axis=-1)[..., None]
    first = np.argsort(-np.asarray(value), axis=-1, kind="stable")[..., :k]
    return float((first == winners).any(axis=-1).mean())


def finite(reference: ArrayLike, value: ArrayLike) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the elements of both that are finite in the reference, in float64.

    Raises
    ------
    InputError
        If they have other shapes.
    """
    import numpy as np

    r, v = as_real(reference), as_real(value)
    if r.shape != v.shape:
        raise InputError(f"shapes {r.shape} and {v.shape} cannot be compared", hint="compare the same output of both")
    keep = np.isfinite(r)
    return r[keep], v[keep]


def as_real(value: ArrayLike) -> np.ndarray[Any, Any]:
    """Return ``value`` in float64; a complex number becomes its real and its imaginary part."""
    import numpy as np

    array = np.asarray(value)
    if np.iscomplexobj(array):
        array = np.stack([array.real, array.imag], axis=-1)
    return array.astype(np.float64)


def largest_absolute(values: np.ndarray[Any, Any]) -> float:
    """Return the largest absolute value, 0 of none."""
    return float(abs(values).max()) if values.size else 0.0
