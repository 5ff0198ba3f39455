"""The sizes with which a transformer has as many parameters as another network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tsssm.errors import ConfigError
from tsssm.forecasters.parameters import backbone_parameters, count_backbone
from tsssm.mixers import Attention

if TYPE_CHECKING:
    from tsssm.forecasters.forecaster import Forecaster

__all__ = ["TOLERANCE", "matched_sizes"]

TOLERANCE = 0.01  # relative difference of the backbones' parameters
_N_HEADS = 4
_MLP_RATIOS = 0.5, 16.0  # hidden units of the MLP in units of the width: outside, it is no transformer worth the name


def matched_sizes(forecaster: Forecaster) -> dict[str, Any]:
    """Width and MLP width of attention whose backbone has the parameters of a forecaster's.

    The width is the nearest to the forecaster's own (a multiple of twice the heads) at which an MLP between half and
    16 times as wide makes up the difference; the MLP's width then matches exactly, up to half a hidden unit a layer.

    Parameters
    ----------
    forecaster : Forecaster
        Fitted or not, with a network.

    Returns
    -------
    dict
        ``d_model`` and ``mixer_settings``.

    Raises
    ------
    ConfigError
        The forecaster has no network, or no such sizes are within 1%.
    """
    target, own, n_layers = backbone_parameters(forecaster), int(forecaster.d_model), int(forecaster.n_layers)
    step = 2 * _N_HEADS  # heads of an even size
    widths = range(step, max(2 * own, own + 8 * step) + 1, step)
    for d_model in sorted(widths, key=lambda width: abs(width - own)):
        mlp_width = _matching_mlp(target, d_model, n_layers)
        if mlp_width is not None:
            return {"d_model": d_model, "mixer_settings": {"n_heads": _N_HEADS, "mlp_width": mlp_width}}
    raise ConfigError(
        f"no transformer of {n_layers} layers and {_N_HEADS} heads has within {TOLERANCE:.0%} of the {target:,} "
        f"backbone parameters of {type(forecaster).__name__}(d_model={own}). Choose another d_model, 16 or more."
    )


def _matching_mlp(target: int, d_model: int, n_layers: int) -> int | None:
    """The MLP width that comes closest at this width; None where that is not close, or no sensible MLP."""
    narrow, wider = (_backbone(d_model, n_layers, width) for width in (1, 2))
    mlp_width = 1 + round((target - narrow) / (wider - narrow))  # the count is linear in the MLP's width
    least, most = (ratio * d_model for ratio in _MLP_RATIOS)
    if not least <= mlp_width <= most:
        return None
    close = abs(_backbone(d_model, n_layers, mlp_width) - target) <= TOLERANCE * target
    return mlp_width if close else None


def _backbone(d_model: int, n_layers: int, mlp_width: int) -> int:
    return count_backbone(Attention, d_model, n_layers, {"n_heads": _N_HEADS, "mlp_width": mlp_width})
