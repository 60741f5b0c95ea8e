"""``%config EmbedlMagics``: what holds for every line, set there or in IPython's own configuration file."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import traitlets
from traitlets.config import Configurable

from embedl_nb.errors import EmbedlError

if TYPE_CHECKING:
    import click
    from traitlets.config import Config

__all__ = ["EmbedlMagics"]


class EmbedlMagics(Configurable):
    """What the magics take where a line does not say it."""

    device = traitlets.Unicode(
        "",
        help="Where %embedl_benchmark and %embedl_compare measure, and whose latencies %embedl_quantize goes by: "
        "'adb://R58M12ABCDE'. Without it this machine, host://.",
    ).tag(config=True)
    target = traitlets.Unicode(
        "",
        help="The phone or chip that %embedl_compile and %embedl_preflight are for: 'Samsung Galaxy S24'. Without it a "
        "compile is for any, and a preflight asks.",
    ).tag(config=True)
    traceback = traitlets.Bool(
        False, help="Show the traceback of an error instead of its two lines, as --verbose does for one line."
    ).tag(config=True)

    def defaults(self, command: click.Command) -> dict[str, Any]:
        """Return what the settings say of options of ``command``."""
        from embedl_nb.commands.kinds import Kind, Reference

        said = {Kind.DEVICE: self.device, Kind.TARGET: self.target}
        return {
            option.name: [value] if getattr(option, "multiple", False) else value
            for option in command.params
            if option.name == "device" and isinstance(option.type, Reference) and (value := said[option.type.kind])
        }

    def update_config(self, config: Config) -> None:
        """Take new values; a wrong one changes nothing and is told in two lines."""
        try:
            super().update_config(config)
        except traitlets.TraitError as err:
            if "\nTry: " in str(err):
                raise
            raise traitlets.TraitError(f"{err}\nTry: %config EmbedlMagics") from err

    @traitlets.validate("device")
    def _is_an_address(self, proposal: dict[str, Any]) -> str:
        from embedl_nb.device import DeviceAddress

        text: str = proposal["value"]
        return text and str(_checked(DeviceAddress.parse, text))

    @traitlets.validate("target")
    def _is_a_target(self, proposal: dict[str, Any]) -> str:
        from embedl_nb.device.catalog import targets_named

        text: str = proposal["value"]
        if text and "://" not in text:
            _checked(targets_named, text)
        return text


def _checked(read: Callable[[str], Any], text: str) -> Any:
    """Return what ``read`` makes of a value, or refuse it the way that puts the old one back."""
    try:
        return read(text)
    except EmbedlError as err:
        raise traitlets.TraitError(str(err)) from err
