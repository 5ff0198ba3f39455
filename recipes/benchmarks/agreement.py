"""Do the mixers compute what other implementations compute? The same random weights, in float64, from other packages.

The packages are large or old, and none of the library's own; they go into a folder of theirs::

    pip install --target others transformers omegaconf dacite
    pip install --target others --no-deps xlstm mlstm-kernels rwkv mambapy torchscale
    PYTHONPATH=others python recipes/benchmarks/agreement.py

Where a package goes down to float32 it is kept in float64 by replacing ``Tensor.float`` and ``Tensor.to`` while it
runs. The table is printed, and written to ``docs/benchmarks/agreement.json``: versions and differences, no times.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec, module_from_spec
from io import StringIO
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

import tsssm.mixers.retention
import tsssm.mixers.rwkv7
from report import RESULTS
from tsssm.mixers import MLSTM, RWKV6, RWKV7, SLSTM, GatedDelta, Mamba, Mamba2, Mixer, Retention, RWKVChannelMix

BATCH, LENGTH, D, H = 2, 32, 16, 4
THEIR_ROOT = 0.606531  # what the package has for exp(-1/2) in RWKV-7
ROUNDED = f"both with {THEIR_ROOT} for exp(-1/2)"
Outputs = tuple[Tensor, Tensor]  # ours and theirs

COMPARISONS: list[tuple[str, str, str, Callable[[], Outputs]]] = []


def compared(mixer: str, package: str, what: str) -> Callable[[Callable[[], Outputs]], Callable[[], Outputs]]:
    """Add a comparison to the table."""

    def add(function: Callable[[], Outputs]) -> Callable[[], Outputs]:
        COMPARISONS.append((mixer, package, what, function))
        return function

    return add


def randomised(mixer: Mixer) -> tuple[Mixer, Tensor]:
    for parameter in mixer.parameters():
        parameter.normal_(std=0.4)
    return mixer, torch.randn(BATCH, LENGTH, D)


def fill(module: nn.Module, pairs: dict[Tensor, Tensor]) -> None:
    """Copy the values into the keys, the module's parameters."""
    module.double()
    for parameter, value in pairs.items():
        parameter.copy_(value)


def depthwise(taps: Tensor) -> Tensor:
    """Our taps as torch's Conv1d has them."""
    return taps.T.unsqueeze(1)


@contextmanager
def in_float64() -> Iterator[None]:
    """Within it nothing goes down to float32."""
    to = Tensor.to

    def stay(tensor: Tensor, *args: Any, **options: Any) -> Tensor:
        down = torch.float32 in args or options.get("dtype") is torch.float32
        return tensor if down else to(tensor, *args, **options)

    with patch.object(Tensor, "float", Tensor.double), patch.object(Tensor, "to", stay):
        yield


@compared("mamba", "mambapy", "MambaBlock")
def mamba_by_mambapy() -> Outputs:
    from mambapy.mamba import MambaBlock, MambaConfig

    own, x = randomised(Mamba(D))
    other = MambaBlock(MambaConfig(d_model=D, n_layers=1, pscan=False))
    _fill_mamba(other, own)
    with in_float64():
        return own(x)[0], other(x)


@compared("mamba", "transformers", "MambaMixer")
def mamba_by_transformers() -> Outputs:
    from transformers import MambaConfig
    from transformers.models.mamba.modeling_mamba import MambaMixer

    own, x = randomised(Mamba(D))
    other = MambaMixer(MambaConfig(hidden_size=D, state_size=16, expand=2, conv_kernel=4, use_mambapy=False), 0)
    _fill_mamba(other, own)
    with in_float64():
        return own(x)[0], other(x)


def _fill_mamba(other: nn.Module, own: Mamba) -> None:
    fill(
        other,
        {
            other.in_proj.weight: own.in_projection.weight,
            other.conv1d.weight: depthwise(own.convolution.weight),
            other.conv1d.bias: own.convolution.bias,
            other.x_proj.weight: own.x_projection.weight,
            other.dt_proj.weight: own.delta_projection.weight,
            other.dt_proj.bias: own.delta_projection.bias,
            other.A_log: own.A_log,
            other.D: own.D,
            other.out_proj.weight: own.out_projection.weight,
        },
    )


@compared("mamba2", "transformers", "Mamba2Mixer")
def mamba2() -> Outputs:
    from transformers import Mamba2Config
    from transformers.models.mamba2.modeling_mamba2 import Mamba2Mixer

    own, x = randomised(Mamba2(D, state_size=5, head_size=8, n_groups=2))
    config = Mamba2Config(
        hidden_size=D, num_heads=4, head_dim=8, state_size=5, expand=2, n_groups=2, conv_kernel=4, chunk_size=8
    )
    other = Mamba2Mixer(config, 0)
    fill(
        other,
        {
            other.in_proj.weight: own.in_projection.weight,
            other.conv1d.weight: depthwise(own.convolution.weight),
            other.conv1d.bias: own.convolution.bias,
            other.A_log: own.A_log,
            other.D: own.D,
            other.dt_bias: own.delta_bias,
            other.norm.weight: own.norm_weight,
            other.out_proj.weight: own.out_projection.weight,
        },
    )
    with in_float64():
        return own(x)[0], other(x)


@compared("gated_delta", "transformers", "Qwen3NextGatedDeltaNet")
def gated_delta() -> Outputs:
    from transformers import Qwen3NextConfig
    from transformers.models.qwen3_next.modeling_qwen3_next import Qwen3NextGatedDeltaNet

    K, V = 3, 6
    own, x = randomised(GatedDelta(D, n_heads=H, key_size=K, value_size=V))
    config = Qwen3NextConfig(
        hidden_size=D,
        linear_num_value_heads=H,
        linear_num_key_heads=H,
        linear_key_head_dim=K,
        linear_value_head_dim=V,
        linear_conv_kernel_dim=4,
        rms_norm_eps=1e-5,
    )
    other = Qwen3NextGatedDeltaNet(config, 0)
    parts = own.in_projection.weight.split([H * K, H * K, H * V, H, H, H * V])
    q, k, v, b, a, z = (part.unflatten(0, (H, -1)) for part in parts)  # theirs are sorted by heads
    fill(
        other,
        {
            other.in_proj_qkvz.weight: torch.cat([q, k, v, z], dim=1).flatten(0, 1),
            other.in_proj_ba.weight: torch.cat([b, a], dim=1).flatten(0, 1),
            other.conv1d.weight: depthwise(own.convolution.weight),
            other.A_log: own.A_log,
            other.dt_bias: own.dt_bias,
            other.norm.weight: own.norm_weight,
            other.out_proj.weight: own.out_projection.weight,
        },
    )
    with in_float64():
        return own(x)[0], other(x)


@compared("mlstm", "xlstm", "xlstm_large mLSTMLayer")
def mlstm() -> Outputs:
    from xlstm.xlstm_large.model import mLSTMBackendConfig, mLSTMLayer, mLSTMLayerConfig

    own, x = randomised(MLSTM(D, n_heads=H))
    backend = mLSTMBackendConfig(
        chunkwise_kernel="chunkwise--native_autograd",
        sequence_kernel="native_sequence__native",
        step_kernel="native",
        mode="train",
        return_last_states=True,
        chunk_size=16,
        autocast_kernel_dtype="float32",
    )
    config = mLSTMLayerConfig(
        embedding_dim=D,
        num_heads=H,
        use_bias=False,
        norm_eps=1e-6,
        qk_dim_factor=0.5,
        v_dim_factor=1.0,
        gate_soft_cap=15.0,
        weight_mode="single",
        norm_reduction_force_float32=False,
        mlstm_backend=backend,
    )
    other = mLSTMLayer(config)
    q, k, v, o = own.in_projection.weight.split([D // 2, D // 2, D, D])
    fill(
        other,
        {
            other.q.weight: q,
            other.k.weight: k,
            other.v.weight: v,
            other.ogate_preact.weight: o,
            other.igate_preact.weight: own.gates.weight[:H],
            other.fgate_preact.weight: own.gates.weight[H:],
            other.igate_preact.bias: own.gates.bias[:H],
            other.fgate_preact.bias: own.gates.bias[H:],
            other.multihead_norm.weight: own.norm_weight,
            other.out_proj.weight: own.out_projection.weight,
        },
    )
    with in_float64():
        return own(x)[0], other(x)[0]


@compared("slstm", "xlstm", "sLSTMLayer")
def slstm() -> Outputs:
    from xlstm.blocks.slstm.layer import sLSTMLayer, sLSTMLayerConfig

    own, x = randomised(SLSTM(D, n_heads=H))
    config = sLSTMLayerConfig(
        embedding_dim=D,
        num_heads=H,
        backend="vanilla",
        conv1d_kernel_size=4,
        dtype="float32",
        enable_automatic_mixed_precision=False,
    )
    other = sLSTMLayer(config)
    cell = other.slstm_cell
    # the members fgate and igate feed the cell's slots of i and f: as published, and named the wrong way round
    i, f, z, o = own.weight.transpose(2, 3).unbind(1)
    fill(
        other,
        {
            other.fgate.weight: i,
            other.igate.weight: f,
            other.zgate.weight: z,
            other.ogate.weight: o,
            cell._recurrent_kernel_: cell._recurrent_kernel_ext2int(own.recurrent.transpose(1, 2).contiguous()),
            cell._bias_: cell._bias_ext2int(own.bias),
            other.conv1d.conv.weight: depthwise(own.convolution.weight),
            other.conv1d.conv.bias: own.convolution.bias,
            other.group_norm.weight: own.norm_weight - 1,
        },
    )
    with in_float64():
        return own(x)[0], other(x)


@compared("retention", "torchscale", "MultiScaleRetention, parallel")
def retention() -> Outputs:
    """Both without the norm's epsilon: theirs divides scores by running sums, which without it changes nothing."""
    from torchscale.component.multiscale_retention import MultiScaleRetention

    own, x = randomised(Retention(D, n_heads=H))
    size = D // H
    angles = 10_000.0 ** -torch.linspace(0, 1, size // 2)
    log_decay = torch.log1p(-(2.0 ** (-5.0 - torch.arange(H))))
    fill(own, {own.angles: angles.expand(H, -1), own.log_decay: log_decay})  # in all digits of float64
    other = MultiScaleRetention(SimpleNamespace(layernorm_eps=1e-26, multiway=False), D, 2 * D, H)
    q, k, v, gate = own.in_projection.weight.split([D, D, 2 * D, 2 * D])
    # theirs turn the pairs (2i, 2i + 1), ours (i, i + K / 2)
    q, k = (part.view(H, 2, size // 2, D).transpose(1, 2).reshape(D, D) for part in (q, k))
    fill(
        other,
        {
            other.q_proj.weight: q,
            other.k_proj.weight: k,
            other.v_proj.weight: v,
            other.g_proj.weight: gate,
            other.out_proj.weight: own.out_projection.weight,
        },
    )
    steps = torch.arange(LENGTH, dtype=torch.float64)
    turns = torch.outer(steps, angles).repeat_interleave(2, dim=-1)
    decays = torch.exp((steps[:, None] - steps) * log_decay[:, None, None]).tril()
    with in_float64(), patch.object(tsssm.mixers.retention, "NORM_EPS", 1e-26):
        return own(x)[0], other(x, ((turns.sin(), turns.cos()), decays))


@compared("rwkv6", "rwkv", "att_seq_v6_0 and ffn_seq_v6")
def rwkv6() -> Outputs:
    own, x = randomised(RWKV6(D, n_heads=H, layer_index=1, n_layers=3))
    channel, _ = randomised(own.channel_mixer())
    rwkv = _rwkv("0")
    one, zero, none = torch.ones(D), torch.zeros(D), [None] * 20
    own_y, other_y = [], []
    for series in nn.functional.layer_norm(x, (D,), eps=1e-5):  # theirs norm the input, as a block does
        with in_float64(), patch.object(rwkv, "matmul", lambda a, b, *rest, output_dtype=None: a @ b):
            y, *_ = rwkv.RWKV.att_seq_v6_0(
                None,
                series,
                zero,
                torch.zeros(H, D // H, D // H),
                one,
                zero,
                own.norm_weight,
                own.norm_bias,
                own.mu_x,
                *own.mu,
                own.mix_in.weight.T,
                own.mix_out,
                own.w_in.weight.T,
                own.w_out.weight.T,
                own.w_0.view(H, -1, 1),
                own.bonus.unsqueeze(-1),
                own.key.weight.T,
                own.value.weight.T,
                own.receptance.weight.T,
                own.gate.weight.T,
                own.output.weight.T,
                *none,
            )
            z, *_ = rwkv.RWKV.ffn_seq_v6(
                None,
                series,
                zero,
                one,
                zero,
                channel.mu_k,
                channel.mu_r,
                channel.expand.weight.T,
                channel.contract.weight.T,
                channel.receptance.weight.T,
                *none[:12],
            )
        inside = nn.functional.layer_norm(series, (D,), eps=1e-5).unsqueeze(0)
        own_y.append(torch.cat([own(inside)[0], channel(inside)[0]], dim=1)[0])
        other_y.append(torch.cat([y - series, z - series]))
    return torch.stack(own_y), torch.stack(other_y)


@compared("rwkv7", "rwkv", f"RWKV_x070_TMix_seq, first layer, and RWKV_x070_CMix_seq; {ROUNDED}")
def rwkv7_first_layer() -> Outputs:
    own, x = randomised(RWKV7(D, n_heads=H, bounded=False, layer_index=0, n_layers=3))
    channel, _ = randomised(own.channel_mixer())
    outputs = [torch.cat([_rwkv7(own, series, series), _rwkv7_channel(channel, series)]) for series in x]
    with _their_root():
        return torch.cat([own(x)[0], channel(x)[0]], dim=1), torch.stack(outputs)


@compared("rwkv7", "rwkv", f"RWKV_x070_TMix_seq, a later layer; {ROUNDED}")
def rwkv7_later_layer() -> Outputs:
    own, x = randomised(RWKV7(D, n_heads=H, bounded=False, layer_index=1, n_layers=3))
    first = torch.randn(x.shape)
    with _their_root():
        y, _ = own(x, shared={"rwkv7 first value": first})
    return y, torch.stack([_rwkv7(own, *pair) for pair in zip(x, first)])


def _their_root() -> Any:
    """Within it, our RWKV-7 has their exp(-1/2)."""
    return patch.object(tsssm.mixers.rwkv7, "math", SimpleNamespace(exp=lambda _: THEIR_ROOT))


def _rwkv7(own: RWKV7, x: Tensor, first: Tensor) -> Tensor:
    def two(down: nn.Linear, up: nn.Linear) -> tuple[Tensor, Tensor]:
        return down.weight.T, up.weight.T

    x_r, x_w, x_k, x_v, x_a, x_g = own.mu
    of_v = (own.v_0, *two(own.v_in, own.v_out)) if hasattr(own, "v_0") else (None, None, None)
    maps = (own.receptance, own.key, own.value, own.output)
    with in_float64():
        y, *_ = _rwkv("1").RWKV_x070_TMix_seq(
            0 if own.is_first else 1,
            H,
            D // H,
            x,
            torch.zeros(D),
            first,
            torch.zeros(H, D // H, D // H),
            *(x_r, x_w, x_k, x_v, x_a, x_g),
            *(own.w_0, *two(own.w_in, own.w_out)),
            *(own.a_0, *two(own.a_in, own.a_out)),
            *of_v,
            *two(own.g_in, own.g_out),
            *(own.k_k, own.k_a, own.r_k.flatten()),
            *(linear.weight.T for linear in maps),
            own.norm_weight,
            own.norm_bias,
        )
    return y


def _rwkv7_channel(own: RWKVChannelMix, x: Tensor) -> Tensor:
    y, _ = _rwkv("1").RWKV_x070_CMix_seq(x, torch.zeros(D), own.mu_k, own.expand.weight.T, own.contract.weight.T)
    return y


@cache
def _rwkv(with_7: str) -> Any:
    """The package's module, of RWKV-7 or of those before, in Python alone: compiled it goes down to float32."""
    settings = {"RWKV_JIT_ON": "0", "RWKV_CUDA_ON": "0", "RWKV_V7_ON": with_7}
    spec = find_spec("rwkv.model")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    with ExitStack() as around:
        around.enter_context(patch.dict("os.environ", settings))
        around.enter_context(redirect_stdout(StringIO()))
        for compiler in ("script", "script_method"):
            around.enter_context(patch.object(torch.jit, compiler, lambda function: function))
        spec.loader.exec_module(module)
    return module


@torch.no_grad()
def largest_difference(compare: Callable[[], Outputs]) -> float:
    """In units of the largest output; the default dtype is float64 meanwhile."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        torch.manual_seed(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the other packages
            own, other = compare()
    finally:
        torch.set_default_dtype(before)
    assert own.dtype == other.dtype == torch.float64
    return float((own - other).abs().max() / other.abs().max())


def main() -> None:
    rows = []
    for mixer, package, what, compare in COMPARISONS:
        largest = largest_difference(compare)
        rows.append(
            {
                "mixer": mixer,
                "package": package,
                "version": version(package),
                "what": what,
                "largest relative difference": float(f"{largest:.1e}"),
            }
        )
        print(f"{mixer:12} {package:13} {version(package):8} {largest:8.1e}  {what}")
    figures = {
        "batch": BATCH,
        "length": LENGTH,
        "d_model": D,
        "versions": {name: version(name) for name in ("tsssm", "torch")},
        "comparisons": rows,
    }
    (RESULTS / "agreement.json").write_text(json.dumps(figures, indent=1) + "\n")
    print("written to docs/benchmarks/agreement.json")


if __name__ == "__main__":
    main()
