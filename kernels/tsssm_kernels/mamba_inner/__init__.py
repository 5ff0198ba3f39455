"""What stands between the two outer projections of a Mamba block, as one operator, and its single step."""

from .op import mamba_inner
from .step import mamba_inner_step

__all__ = ["mamba_inner", "mamba_inner_step"]
