"""Steps of many streams, compiled without a compiler."""

from .layout import CannotCompileError
from .step import CompiledStep, compile_step

__all__ = ["CannotCompileError", "CompiledStep", "compile_step"]
