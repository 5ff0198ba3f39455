"""Numbers that stand for an instruction's kind, its function and the types of its operands."""

from __future__ import annotations

# kinds of instructions
ELEMENTS = 0  # a function of up to three numbers, number by number: vectors of float32
ELEMENTS_WIDE = 1  # the same in float64, whatever the types and strides in memory
REDUCE_ALONG = 2  # along an axis whose numbers lie side by side, in vectors
REDUCE_ACROSS = 3  # along another axis, many sums side by side in vectors
REDUCE_WIDE = 4
PRODUCT = 5  # of rows with a constant matrix
SMALL_COLUMNS = 6  # products of two matrices of each stream: columns of the second side by side
SMALL_DOTS = 7  # rows of the first and columns of the second side by side
SMALL_WIDE = 8
SCATTER = 9
GATHER = 10
ELEMENTS_WHOLE = 11  # a function of integers, as they wrap around

# types in memory
FLOAT32, FLOAT64, INT64, BOOL = 0, 1, 2, 3

# functions of the numbers a, b, c and a constant
COPY = 0
ADD = 1  # a + constant b
MULTIPLY = 2
DIVIDE = 3
MAXIMUM = 4
MINIMUM = 5
ADD_PRODUCT = 6  # a + constant b c
WHERE = 7  # b where a is not 0, else c
NEGATIVE = 8
EXP = 9
SQRT = 10
RSQRT = 11
RECIPROCAL = 12
SIGMOID = 13
SILU = 14
GELU = 15
TANH = 16
SOFTPLUS = 17
LOG_SIGMOID = 18
SQUARE = 19
ABSOLUTE = 20
NOT = 21
LESS = 22
LESS_OR_EQUAL = 23
EQUAL = 24
IS_NAN = 25
# from here on in float64 alone
LOG = 26
LOG1P = 27
EXPM1 = 28
SIN = 29
COS = 30
POWER = 31  # a ** constant
REMAINDER = 32
FLOOR = 33
ERF = 34
SIGN = 35

# of a reduction
SUM, LARGEST = 0, 1

# an instruction is a row of integers: kind, function, constant's number, three outer sizes, the inner size, the summed
# size; then of the result and up to three operands: memory, offset, type, strides of stream, outer axes, inner axis and
# summed axis, in bytes
HEAD, PART, PARTS = 8, 9, 4
WIDTH = HEAD + PARTS * PART
