"""What every sequence mixer keeps to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

__all__ = ["Mixer", "State"]

State = tuple[Tensor, ...]  # in fact a NamedTuple of the mixer's own


class Mixer(nn.Module, ABC):
    """A causal sequence layer with a state of fixed size: the same numbers in parallel and step by step.

    A subclass is constructed as ``cls(d_model, *, layer_index=0, n_layers=1, <own settings with defaults>)`` and
    defines `forward`, `step` and `initial_state`. Its state is a NamedTuple of tensors whose first axis is the
    batch, so that states of single series can be stacked, cut and stored. Shapes of parameters depend on its place in
    no more than whether it is the first layer, and the constructor reads no numbers out of tensors: sizes are counted
    on the device "meta". Dropout, norms and residuals belong to the block around it. `check_mixer` tests all of these
    promises.

    Attributes
    ----------
    name : str
        The short name, by which `find_mixer` and saved models know the class; the class's own name unless given.
    state_setting : str or None
        The setting with which its state is made smaller: ``"n_heads"`` by more heads, any other by a smaller number.

    Examples
    --------
    >>> import torch
    >>> from tsssm.mixers import Mamba
    >>> mixer = Mamba(8)
    >>> x = torch.randn(2, 5, 8)
    >>> y, state = mixer(x)
    >>> half, between = mixer(x[:, :4])
    >>> y_last, last_state = mixer.step(x[:, 4], between)
    >>> torch.allclose(y_last, y[:, 4], atol=1e-5)
    True
    """

    name: ClassVar[str]
    state_setting: ClassVar[str | None] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = cls.__name__  # never the base's: a saved model would come back as another class

    @abstractmethod
    def forward(
        self,
        x: Tensor,
        state: Any = None,
        resets: Tensor | None = None,
        time_gaps: Tensor | None = None,
        shared: dict[str, Any] | None = None,
    ) -> tuple[Tensor, Any]:
        """Mix a whole sequence.

        Parameters
        ----------
        x : Tensor, shape (batch, length, d_model)
            The sequence; length at least 1.
        state : NamedTuple, optional
            The state before the first step; the initial one if left out.
        resets : Tensor of bool, shape (batch, length), optional
            Where true, a new sequence begins: nothing before this step, `state` included, reaches it or what follows.
        time_gaps : Tensor, shape (batch, length), optional
            Time since the step before, in steps; all ones is the same as none. A mixer without decay may ignore it.
        shared : dict, optional
            What the layers of one call hand down to one another.

        Returns
        -------
        y : Tensor, shape (batch, length, d_model)
            The mixed sequence: step t depends on steps up to t.
        state : NamedTuple
            The state after the last step.
        """

    @abstractmethod
    def step(self, x_t: Tensor, state: Any, shared: dict[str, Any] | None = None) -> tuple[Tensor, Any]:
        """Mix one step, `x_t` and `y_t` of shape (batch, d_model); `state` is left as it is, the next one returned."""

    @abstractmethod
    def initial_state(
        self, batch_size: int, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Any:
        """The state before any step, a NamedTuple of tensors (batch_size, ...).

        `device` and `dtype` are the parameters' unless given; `dtype` is that of the inputs (a mixer may keep parts of
        its state in float32 all the same).
        """

    @classmethod
    def settings_for(cls, context_tokens: int) -> dict[str, Any]:
        """Settings that follow from the training context, by name; a user's own settings go before them.

        None, unless a subclass says otherwise. They must not change the parameters' shapes.

        Parameters
        ----------
        context_tokens : int
            Tokens of a training window.
        """
        return {}

    @classmethod
    def size_setting(cls, d_model: int, settings: Mapping[str, Any]) -> tuple[str, int] | None:
        """The setting by which its parameters are fitted to a number in fine steps, and that setting's default.

        None, unless a subclass says otherwise. The setting is an integer; a larger one means more parameters, those of
        the channel mixer counted.

        Parameters
        ----------
        d_model : int
            Width of the sequence.
        settings : mapping
            The other settings, by name, on which the default may depend; those left out have their defaults.

        Examples
        --------
        >>> from tsssm.mixers import Mamba
        >>> Mamba.size_setting(64, {"expand": 1})
        ('state_size', 16)
        """
        return None

    def channel_mixer(self) -> Mixer | None:
        """A new mixer that a residual block of its own puts behind this one, such as a transformer's MLP; or None.

        It is not part of this mixer: the network owns it, with its parameters and its state.
        """
        return None

    def state_bytes(self) -> int:
        """Bytes of state per series."""
        return sum(tensor.numel() * tensor.element_size() for tensor in self.initial_state(1))

    def _placement(
        self, device: torch.device | str | None, dtype: torch.dtype | None
    ) -> tuple[torch.device, torch.dtype]:
        """Where and of which dtype a state is to be made: the parameters' unless given."""
        parameter = next(self.parameters())
        return torch.device(parameter.device if device is None else device), dtype or parameter.dtype
