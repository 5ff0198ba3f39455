"""What mixers share whose blocks put a SwiGLU behind them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .counts import check_optional_counts
from .mixer import Mixer
from .swiglu import SwiGLU, swiglu_width

__all__ = ["SwiGLUBehind"]


class SwiGLUBehind(Mixer):
    """A mixer that leaves the mixing of channels to a `SwiGLU` behind it, which a setting `mlp_width` sizes.

    Parameters
    ----------
    d_model : int
        Width of the sequence.
    layer_index, n_layers : int
        Position in the stack and its depth.
    mlp_width : int or None
        Hidden units of the `SwiGLU`; its own default if None.

    Examples
    --------
    >>> from tsssm.mixers import SLSTM
    >>> SLSTM(16, mlp_width=24).channel_mixer().contract
    Linear(in_features=24, out_features=16, bias=False)
    """

    def __init__(self, d_model: int, layer_index: int, n_layers: int, mlp_width: int | None):
        super().__init__()
        check_optional_counts(self.name, mlp_width=mlp_width)
        self.d_model = d_model
        self.swiglu: dict[str, Any] = {"layer_index": layer_index, "n_layers": n_layers, "width": mlp_width}

    def channel_mixer(self) -> SwiGLU:
        """The `SwiGLU`, see `Mixer.channel_mixer`."""
        return SwiGLU(self.d_model, **self.swiglu)

    @classmethod
    def size_setting(cls, d_model: int, settings: Mapping[str, Any]) -> tuple[str, int]:
        """The width of the `SwiGLU`, see `Mixer.size_setting`."""
        return "mlp_width", swiglu_width(d_model)
