"""The program ``embedl-nb``: results go to stdout, an error is two lines on stderr and an exit code.

Exit codes: 0 done, 1 an error (or a machine that cannot measure, for ``doctor``), 2 the command line was not
understood, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from embedl_nb import commands
from embedl_nb.commands.lines import one_line, shortened, warnings_in_one_line
from embedl_nb.commands.running import is_usage_error
from embedl_nb.errors import EmbedlError, UnstableMeasurementWarning

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["main"]

_DONE, _FAILED, _USAGE, _INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line.

    Parameters
    ----------
    arguments
        Words behind ``embedl-nb``; those of the process by default.

    Returns
    -------
    int
        The exit code.
    """
    names = commands.ShellNames()
    words = sys.argv[1:] if arguments is None else list(arguments)
    with warnings_in_one_line():
        warnings.simplefilter("ignore", UnstableMeasurementWarning)  # the printed result says the same
        try:
            result = commands.run(commands.SHELL, words, program="embedl-nb", names=names)
            return _show(result)
        except EmbedlError as err:
            _show_error(err.message, err.hint, names)
            return _USAGE if is_usage_error(err) else _FAILED
        except KeyboardInterrupt:
            print("\nstopped", file=sys.stderr)
            return _INTERRUPTED
        except BrokenPipeError:
            # The reader (head, less) has seen enough; what is still buffered has nowhere to go.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return _DONE
        except Exception as err:  # the last frame: what nobody foresaw must be readable, too
            message = f"{type(err).__name__}: {err}" if str(err) else type(err).__name__
            _show_error(f"unexpected {message}", "run it again with --verbose to see where it comes from", names)
            return _FAILED


def _show(result: Any) -> int:
    """Print a result as its kind asks for and return the exit code it means."""
    if result is None:
        return _DONE
    if hasattr(result, "to_string"):
        result = _frame_text(result) if len(result) else "nothing yet"
    # Flushed here, where a reader that has gone away is still noticed.
    print(result, flush=True)
    return _DONE if getattr(result, "can_measure", True) else _FAILED


def _frame_text(frame: pd.DataFrame) -> str:
    """Write a frame without its empty columns, and with as many digits as anybody reads."""
    shown = frame.loc[:, [bool((frame[name].notna() & (frame[name].astype(str) != "")).any()) for name in frame]]
    shown = shown.copy()
    for name in [name for name in shown if shown[name].dtype == "Int64"]:  # pandas ignores na_rep in these
        shown[name] = shown[name].astype(object).where(shown[name].notna(), "")
    text: str = shown.to_string(
        index=False, na_rep="", float_format=lambda value: f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"
    )
    return text


def _show_error(message: str, hint: str, names: commands.Names) -> None:
    if names.is_verbose or os.environ.get("EMBEDL_NB_DEBUG"):
        traceback.print_exc()
    print(f"Error: {one_line(shortened(message))}", file=sys.stderr)
    if hint:
        print(f"Try: {one_line(shortened(hint))}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
