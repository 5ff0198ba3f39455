"""A whole Mamba block on one CPU thread, forward and backward, against a transformer block of equal parameters.

    python recipes/benchmarks/block_cpu.py

Both are pre-norm residual blocks and do the same number of tokens, cut into sequences of each length. The transformer
runs in two forms, the library's (rotary positions, windowed state; the window is the whole sequence) and the least that
can be called one (`scaled_dot_product_attention` between its projections, no positions); the faster of the two counts.
Contenders run in turns; medians of the process's CPU time and of wall time.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from interleaved import time_in_turns
from report import write_report
from tsssm.mixers import Attention, Mamba
from tsssm.network import Block

TOKENS, SEED = 8192, 0
HEADS = {64: 4, 128: 8}  # by width: heads of 16
ROUNDS = {16: 15, 32: 15, 64: 15, 128: 15, 256: 11, 512: 9, 1024: 7, 4096: 3}  # by length


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    results = {}
    for d_model, n_heads in HEADS.items():
        mamba = Block(nn.RMSNorm(d_model, eps=1e-5), Mamba(d_model), dropout=0.0)
        width = mlp_width(d_model, count(mamba))
        plain = PlainTransformerBlock(d_model, n_heads, width)
        lengths = {str(length): measure(mamba, plain, n_heads, width, length) for length in ROUNDS}
        sizes = {"mamba": count(mamba), "plain transformer": count(plain)}
        results[f"d_model {d_model}, {n_heads} heads"] = {"mlp_width": width, "parameters": sizes, "lengths": lengths}
    write_report("block_cpu", {"seed": SEED, "tokens": TOKENS, "rounds": ROUNDS, "forward_and_backward": results})


def measure(mamba: Block, plain: PlainTransformerBlock, n_heads: int, width: int, length: int) -> dict[str, object]:
    """Times of one length, and Mamba's CPU time in units of the faster transformer's."""
    d_model = mamba.norm.weight.shape[0]
    ours = library_transformer_block(d_model, n_heads, width, window=length)
    blocks = {"mamba": mamba, "transformer": ours, "plain transformer": plain}
    times = time_in_turns(
        {name: forward_and_backward(block, d_model, length) for name, block in blocks.items()}, ROUNDS[length]
    )
    fastest = min(time["cpu_ms"] for name, time in times.items() if name != "mamba")
    ratio = round(times["mamba"]["cpu_ms"] / fastest, 3)
    print(d_model, length, times, ratio)
    return {"times": times, "mamba_in_units_of_the_faster_transformer": ratio}


def forward_and_backward(block: nn.Module, d_model: int, length: int) -> Callable[[], object]:
    """A run of a block on fresh numbers, which gives the gradients of its parameters and of its input."""
    x = torch.randn(TOKENS // length, length, d_model, requires_grad=True)
    wanted = [x, *block.parameters()]

    def run() -> None:
        y, _ = block(x)
        torch.autograd.grad(y, wanted, x.detach())

    return run


class PlainTransformerBlock(nn.Module):
    """Pre-norm causal attention and GELU MLP, without positions."""

    def __init__(self, d_model: int, n_heads: int, width: int):
        super().__init__()
        self.n_heads = n_heads
        self.norms = nn.ModuleList(nn.RMSNorm(d_model, eps=1e-5) for _ in range(2))
        self.into, self.out = nn.Linear(d_model, 3 * d_model, bias=False), nn.Linear(d_model, d_model, bias=False)
        self.expand, self.contract = nn.Linear(d_model, width), nn.Linear(width, d_model)

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """Output, (B, T, d_model), and no state."""
        heads = self.into(self.norms[0](x)).unflatten(-1, (3, self.n_heads, -1))  # (B, T, 3, heads, head_dim)
        q, k, v = heads.permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).flatten(-2))
        return x + self.contract(gelu(self.expand(self.norms[1](x)))), None


class TwoBlocks(nn.Module):
    """A block of attention and one of its MLP."""

    def __init__(self, attention: Block, mlp: Block):
        super().__init__()
        self.attention, self.mlp = attention, mlp

    def forward(self, x: Tensor) -> tuple[Tensor, object]:
        """Output, (B, T, d_model), and the attention's state."""
        x, state = self.attention(x)
        return self.mlp(x)[0], state


def library_transformer_block(d_model: int, n_heads: int, width: int, window: int) -> TwoBlocks:
    """The block of the library's transformer, its window as wide as the sequence."""
    attention = Attention(d_model, n_heads=n_heads, window=window, mlp_width=width)
    blocks = (
        Block(nn.RMSNorm(d_model, eps=1e-5), part, dropout=0.0) for part in (attention, attention.channel_mixer())
    )
    return TwoBlocks(*blocks)


def mlp_width(d_model: int, parameters: int) -> int:
    """Hidden units with which a transformer block has about so many parameters; a multiple of 4, for vectors' sake."""
    rest = parameters - 4 * d_model**2 - 3 * d_model  # projections, two norms, the second bias
    return round(rest / (2 * d_model + 1) / 4) * 4


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


if __name__ == "__main__":
    main()
