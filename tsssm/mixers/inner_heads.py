"""Heads of a fixed size within an inner width, as in Mamba-2 and Mamba-3."""

from __future__ import annotations

from tsssm.errors import ConfigError

from .counts import check_counts

__all__ = ["count_inner_heads"]


def count_inner_heads(mixer: str, d_model: int, expand: int, head_size: int, n_groups: int) -> int:
    """How many heads come nearest to ``expand * d_model`` channels: at least one, of two numbers as near the larger.

    Raises
    ------
    ConfigError
        A size is below 1, or the groups do not divide the heads.

    Examples
    --------
    >>> [count_inner_heads("mamba2", d_model, expand=2, head_size=16, n_groups=1) for d_model in (2, 16, 20, 27)]
    [1, 2, 3, 3]
    """
    check_counts(mixer, expand=expand, head_size=head_size, n_groups=n_groups)
    heads = max(1, (2 * expand * d_model + head_size) // (2 * head_size))
    if heads % n_groups:
        raise ConfigError(
            f"{mixer} needs groups of whole heads: n_groups={n_groups} does not divide the {heads} heads of "
            f"head_size={head_size} in expand * d_model = {expand * d_model} channels"
        )
    return heads
