"""The transformer forecaster, the twin to compare with."""

from __future__ import annotations

from tsssm.errors import ConfigError
from tsssm.forecasters.forecaster import Forecaster
from tsssm.forecasters.matching import match_parameters

__all__ = ["TransformerForecaster"]


class TransformerForecaster(Forecaster):
    """Forecaster on causal attention, averaged with a ridge regression: what a state-space model is compared with.

    Takes the parameters of `Forecaster`; its network is a stack of pre-norm transformer blocks (attention with rotary
    positions, then an MLP) over patches of the series. Attention sees a window of the training context's length, in
    training, batch prediction and streams alike, so a stream's state has a fixed size: larger than Mamba's, and
    nothing older than the window counts. All else (patches, scaler, head, base, training) is what other mixers get.

    Examples
    --------
    >>> import numpy as np
    >>> from tsssm import MambaForecaster, TransformerForecaster
    >>> twin = TransformerForecaster.matched_to(MambaForecaster(horizon=6, max_steps=10, verbose=False))
    >>> twin.d_model, twin.mixer_settings
    (64, {'mlp_width': 125})
    >>> y = np.sin(np.arange(300) * 2 * np.pi / 12)
    >>> twin.set_params(patch_length=12).fit(y).predict().shape
    (6,)

    References
    ----------
    Vaswani et al. 2017, Attention Is All You Need, arXiv 1706.03762. Patches as tokens: Nie et al. 2023, A Time Series
    is Worth 64 Words, arXiv 2211.14730.
    """

    _own_mixer = "attention"

    @classmethod
    def matched_to(cls, model: Forecaster) -> TransformerForecaster:
        """A transformer with the parameters and settings of another forecaster.

        The backbones (blocks and norms) have the same number of parameters within 1%; embedding and head follow from
        width and horizon and are counted apart (see `Forecaster.summary`). The width stays as near to the model's as
        that allows, and the width of the MLP makes up the rest.

        Parameters
        ----------
        model : Forecaster
            Fitted or not.

        Returns
        -------
        TransformerForecaster
            Not fitted.

        Raises
        ------
        ConfigError
            The model has no network, or one so small that no transformer has as few parameters; or it is no forecaster.
        """
        if not isinstance(model, Forecaster):
            raise ConfigError(f"matched_to takes a forecaster, fitted or not; got {model!r}")
        layers = model._checked_stack()
        settings = model.get_params(deep=False) | {"mixer": None, "mixer_settings": None, "verbose": False}
        if layers is not None:
            settings["n_layers"] = len(layers)
        return match_parameters(model, cls(**settings)).set_params(verbose=model.verbose)
