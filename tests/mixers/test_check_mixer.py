"""check_mixer passes every mixer of the library and fails each of these, which break one promise each."""

from typing import NamedTuple

import pytest
import torch
from torch import nn

from tsssm.errors import ConfigError
from tsssm.mixers import Mamba, Mixer, check_mixer, checks, find_mixer
from tsssm.mixers.registry import known_mixers


class MeanState(NamedTuple):
    mean: torch.Tensor


class Sound(Mixer):
    """An exponential mean, as a loop."""

    name = "sound"

    def __init__(self, d_model, *, layer_index=0, n_layers=1):
        super().__init__()
        self.rate = nn.Parameter(torch.zeros(d_model))

    def initial_state(self, batch_size, device=None, dtype=None):
        device, dtype = self._placement(device, dtype)
        return MeanState(torch.zeros(batch_size, len(self.rate), device=device, dtype=dtype))

    def step(self, x_t, state, shared=None):
        keep = torch.sigmoid(self.rate)
        mean = keep * state.mean + (1 - keep) * x_t
        return mean, MeanState(mean)

    def forward(self, x, state=None, resets=None, time_gaps=None, shared=None):
        state = self.initial_state(len(x), x.device, x.dtype) if state is None else state
        outputs = []
        for t in range(x.shape[1]):
            if resets is not None:
                state = MeanState(torch.where(resets[:, t, None], 0.0, state.mean))
            y_t, state = self.step(x[:, t], state)
            outputs.append(y_t)
        return torch.stack(outputs, dim=1), state


class NonCausal(Sound):
    """Adds a little of the sequence run backwards."""

    def forward(self, x, state=None, resets=None, time_gaps=None, shared=None):
        y, state = super().forward(x, state, resets)
        return y + 0.01 * x.flip(1), state


class LeaksAcrossBatch(Sound):
    def step(self, x_t, state, shared=None):
        return super().step(x_t + 0.01 * x_t.roll(1, dims=0), state)


class IgnoresResets(Sound):
    def forward(self, x, state=None, resets=None, time_gaps=None, shared=None):
        return super().forward(x, state)


class ResetsToGivenState(Sound):
    def forward(self, x, state=None, resets=None, time_gaps=None, shared=None):
        y, last = super().forward(x, state, resets)
        if state is not None and resets is not None:
            y = y + 0.01 * (resets[:, :1] * state.mean).unsqueeze(1)
        return y, last


class StepDiffers(Sound):
    def forward(self, x, state=None, resets=None, time_gaps=None, shared=None):
        y, state = super().forward(x, state, resets)
        return 1.001 * y, state


class ForgetsBetweenCalls(Sound):
    def forward(self, x, state=None, resets=None, time_gaps=None, shared=None):
        return super().forward(x, None, resets)


class DeadParameter(Sound):
    def __init__(self, d_model, *, layer_index=0, n_layers=1):
        super().__init__(d_model)
        self.unused = nn.Parameter(torch.zeros(3))


class GrowingState(Sound):
    def forward(self, x, state=None, resets=None, time_gaps=None, shared=None):
        y, state = super().forward(x, state, resets)
        return y, MeanState(torch.cat([state.mean, y[:, -1]], dim=1) if x.shape[1] > 20 else state.mean)


class PlainTupleState(Sound):
    def initial_state(self, batch_size, device=None, dtype=None):
        return tuple(super().initial_state(batch_size, device, dtype))


class WrongBytes(Sound):
    def state_bytes(self):
        return super().state_bytes() + 4


class ChangesItsState(Sound):
    def step(self, x_t, state, shared=None):
        y_t, after = super().step(x_t, state)
        state.mean.copy_(after.mean) if not after.mean.requires_grad else None
        return y_t, after


class KeepsASecret(Sound):
    """A number drawn at construction that no state dict carries."""

    def __init__(self, d_model, *, layer_index=0, n_layers=1):
        super().__init__(d_model)
        self.secret = float(torch.rand(()))

    def step(self, x_t, state, shared=None):
        y_t, state = super().step(x_t, state)
        return y_t + self.secret, state


class DrawsNoise(Sound):
    def step(self, x_t, state, shared=None):
        return super().step(x_t + 1e-12 * torch.randn_like(x_t), state)


class FullPrecisionOnly(Sound):
    def step(self, x_t, state, shared=None):
        y_t, state = super().step(x_t, state)
        return y_t.double(), state


class StretchesUnitGaps(Sound):
    def forward(self, x, state=None, resets=None, time_gaps=None, shared=None):
        y, state = super().forward(x, state, resets)
        return (y if time_gaps is None else 1.1 * y), state


class InventsASetting(Sound):
    @classmethod
    def settings_for(cls, context_tokens):
        return {"memory": context_tokens}


class GrowsWithTheContext(Sound):
    def __init__(self, d_model, *, layer_index=0, n_layers=1, memory=1):
        super().__init__(d_model)
        self.register_buffer("weights", torch.zeros(memory))

    @classmethod
    def settings_for(cls, context_tokens):
        return {"memory": context_tokens}


class SharesItsChannelMixer(Sound):
    def channel_mixer(self):
        return self


class ReadsANumber(Sound):
    def __init__(self, d_model, *, layer_index=0, n_layers=1):
        super().__init__(d_model)
        self.scale = float(torch.linspace(0, 1, 4).max())


class WidensLayerByLayer(Sound):
    def __init__(self, d_model, *, layer_index=0, n_layers=1):
        super().__init__(d_model)
        self.more = nn.Parameter(torch.ones(1 + layer_index))

    def step(self, x_t, state, shared=None):  # which the sequence's loop calls
        y_t, state = super().step(x_t, state)
        return y_t * self.more.mean(), state


class SharesInSequencesOnly(Sound):
    """The second layer takes the first one's input, but not in single steps."""

    def forward(self, x, state=None, resets=None, time_gaps=None, shared=None):
        first = x if shared is None else shared.setdefault("first", x)
        return super().forward(x + 0.01 * (first - x), state, resets)


BROKEN = {
    NonCausal: "step by step equals the whole sequence",
    LeaksAcrossBatch: "series in another order|one series of a batch",
    IgnoresResets: "resets at steps",
    ResetsToGivenState: r"resets at steps \[0\]",
    StepDiffers: "step by step equals the whole sequence",
    SharesInSequencesOnly: "in layers behind one another",
    ForgetsBetweenCalls: "cut after step 1 and resumed",
    DeadParameter: "reaches every parameter and the input, not unused",
    GrowingState: "states after any length are like the initial state",
    PlainTupleState: "a state is a NamedTuple",
    WrongBytes: "state_bytes is the size",
    ChangesItsState: "leave the state they are given unchanged",
    KeepsASecret: "a state dict carries everything",
    DrawsNoise: "leave the state|the same input gives|a deep copy",  # too faint for all but the exact comparisons
    FullPrecisionOnly: "shape and dtype of its input",
    StretchesUnitGaps: "time gaps of one",
    InventsASetting: r"settings of the constructor, not \['memory'\]",
    GrowsWithTheContext: "settings_for changes no shape",
    SharesItsChannelMixer: "channel mixer shares no parameter",
    ReadsANumber: "the constructor reads no numbers out of tensors",
    WidensLayerByLayer: "the same shapes in all layers but the first",
}


@pytest.mark.parametrize("name", sorted(known_mixers()))
def test_every_mixer_keeps_its_promises(name):
    check_mixer(find_mixer(name))


@pytest.mark.parametrize(
    "settings", [{"state_size": 1}, {"expand": 1}, {"conv_width": 2}, {"d_model": 33, "conv_width": 6}], ids=str
)
def test_mamba_keeps_them_with_other_settings(settings):
    check_mixer(Mamba, **settings)


def test_the_sound_mixer_passes():
    check_mixer(Sound)


@pytest.mark.parametrize("mixer", BROKEN, ids=lambda cls: cls.__name__)
def test_a_broken_mixer_fails_and_the_promise_is_named(mixer):
    with pytest.raises(AssertionError, match=f"{mixer.__name__} breaks a promise of mixers: .*({BROKEN[mixer]})"):
        check_mixer(mixer)


def test_non_causal_fails_where_steps_agree_too():
    """Above, the steps give NonCausal away first; the check of causality sees it by itself."""
    with pytest.raises(AssertionError, match="causal"):
        checks._future_does_not_reach_the_past(checks._Case(NonCausal, 4, {}))


def test_the_global_random_state_is_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    check_mixer(Sound, d_model=2)
    assert torch.equal(torch.rand(3), expected)


def test_find_mixer_by_name_and_class():
    assert find_mixer("mamba") is Mamba
    assert find_mixer(Mamba) is Mamba
    assert find_mixer(Sound) is Sound
    assert find_mixer("sound", mixers=[Sound]) is Sound
    assert find_mixer("IgnoresResets", mixers=[IgnoresResets]) is IgnoresResets  # not "sound": names are not inherited


def test_unknown_mixers_are_refused():
    with pytest.raises(ConfigError, match=r"mixer='mambo' is not known; known are \['attention', .*'mamba', "):
        find_mixer("mambo")
    with pytest.raises(ConfigError, match=r"mixer takes subclasses of tsssm.mixers.Mixer; got <class 'int'>"):
        find_mixer(int)
    with pytest.raises(ConfigError, match="not an instance"):
        find_mixer(Mamba(4))
    with pytest.raises(ConfigError, match="mixers takes subclasses"):
        find_mixer("sound", mixers=["sound"])


def test_two_mixers_of_one_name_are_refused():
    class Other(Sound):
        name = "mamba"

    with pytest.raises(ConfigError, match="both named 'mamba'"):
        find_mixer("mamba", mixers=[Other])
