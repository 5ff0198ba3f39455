"""Steps of many streams, compiled without a compiler."""

from .layout import NotCompilable
from .step import CompiledStep, compile_step

__all__ = ["CompiledStep", "NotCompilable", "compile_step"]
