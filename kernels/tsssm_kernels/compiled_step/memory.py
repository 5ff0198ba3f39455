"""Single numbers of any type at an address, as float64."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ..simd import inlined
from .opcodes import BOOL, FLOAT32, INT64

__all__ = ["call", "integer", "peek", "poke", "write_integer"]

_FLOAT, _DOUBLE, _LONG, _BYTE = ir.FloatType(), ir.DoubleType(), ir.IntType(64), ir.IntType(8)


@intrinsic
def integer(typing: Any, address: Any, index: Any) -> Any:
    """An integer of a row of them at an address."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        row = builder.inttoptr(args[0], _LONG.as_pointer())
        return builder.load(builder.gep(row, [args[1]]))

    return types.int64(types.int64, types.int64), generate


@intrinsic
def write_integer(typing: Any, address: Any, value: Any) -> Any:
    """Write an integer at an address."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[1], builder.inttoptr(args[0], _LONG.as_pointer()))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def call(typing: Any, address: Any, row: Any, constant: Any, bases: Any, first: Any, last: Any) -> Any:
    """Call the loop at an address."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.FunctionType(_LONG, [_LONG, _DOUBLE, _LONG, _LONG, _LONG])
        return builder.call(builder.inttoptr(args[0], kind.as_pointer()), args[1:])

    return types.int64(types.int64, types.int64, types.float64, *[types.int64] * 3), generate


def _reader(kind: Any, convert: Any) -> Any:
    @intrinsic
    def read(typing: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            value = builder.load(builder.inttoptr(args[0], kind.as_pointer()), align=1)
            return convert(builder, value)

        return types.float64(types.int64), generate

    return read


def _writer(kind: Any, convert: Any) -> Any:
    @intrinsic
    def write(typing: Any, address: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            builder.store(convert(builder, args[1]), builder.inttoptr(args[0], kind.as_pointer()), align=1)
            return context.get_dummy_value()

        return types.void(types.int64, types.float64), generate

    return write


_read_float = _reader(_FLOAT, lambda builder, x: builder.fpext(x, _DOUBLE))
_read_double = _reader(_DOUBLE, lambda builder, x: x)
_read_long = _reader(_LONG, lambda builder, x: builder.sitofp(x, _DOUBLE))
_read_byte = _reader(_BYTE, lambda builder, x: builder.uitofp(x, _DOUBLE))
_write_float = _writer(_FLOAT, lambda builder, x: builder.fptrunc(x, _FLOAT))
_write_double = _writer(_DOUBLE, lambda builder, x: x)
_write_long = _writer(_LONG, lambda builder, x: builder.fptosi(x, _LONG))
_write_byte = _writer(_BYTE, lambda builder, x: builder.fptoui(x, _BYTE))


@inlined
def peek(address, kind):
    """The number at an address."""
    if kind == FLOAT32:
        return _read_float(address)
    if kind == INT64:
        return _read_long(address)
    if kind == BOOL:
        return _read_byte(address)
    return _read_double(address)


@inlined
def poke(address, kind, value):
    """Write the number."""
    if kind == FLOAT32:
        _write_float(address, value)
    elif kind == INT64:
        _write_long(address, value)
    elif kind == BOOL:
        _write_byte(address, value)
    else:
        _write_double(address, value)
