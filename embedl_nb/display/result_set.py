"""Several results of one verb, of devices or units that were asked at once, and what could not be had of others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedl_nb.display.mixin import Displayable
from embedl_nb.errors import EmbedlError, UnknownNameError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ResultSet"]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ResultSet(Displayable):
    """Results by name, in the order they were asked for; those of each verb show themselves in their own way.

    Attributes
    ----------
    results
        Each by what it was asked for.
    errors
        What went wrong with others; one failure costs no other result.
    """

    results: dict[str, Any]
    errors: dict[str, EmbedlError]

    def __len__(self) -> int:
        return len(self.results)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.results.values())

    def __getitem__(self, name: str) -> Any:
        """Return the result called ``name``.

        Raises
        ------
        EmbedlError
            Its own error, if it failed.
        UnknownNameError
            If there is none of this name.
        """
        if name in self.errors:
            raise self.errors[name]
        if name not in self.results:
            raise UnknownNameError.among("result", name, self.results)
        return self.results[name]

    def frame(self) -> pd.DataFrame:
        """Return the frames of all results as one, with the name of each in the first column, ``result``."""
        import pandas as pd

        frames = {name: result.frame() for name, result in self.results.items()}
        if not frames:
            return pd.DataFrame(columns=["result"])
        joined: pd.DataFrame = pd.concat(frames, names=["result"]).reset_index(level=0).reset_index(drop=True)
        return joined
