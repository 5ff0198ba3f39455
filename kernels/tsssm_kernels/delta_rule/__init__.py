"""The delta rule in its general form, and gated."""

from .gated import gated_delta_rule, gated_delta_rule_step
from .op import delta_rule
from .step import delta_rule_step

__all__ = ["delta_rule", "delta_rule_step", "gated_delta_rule", "gated_delta_rule_step"]
