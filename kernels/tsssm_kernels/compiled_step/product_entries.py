"""Entries of the vocabulary: products of matrices, and attention."""

from __future__ import annotations

from . import opcodes
from .layout import CannotCompileError, View
from .recording import Call
from .reduction_entries import softmax_or_nothing
from .translation import Translation, entry, for_any_stream

__all__: list[str] = []


@entry("mm")
def _matrix_product(to: Translation, call: Call) -> None:
    to.product(call.results[0], call.arguments["self"], call.arguments["mat2"], None)


@entry("addmm")
def _matrix_product_and_bias(to: Translation, call: Call) -> None:
    given = call.arguments
    if given["alpha"] != 1 or given["beta"] != 1 or given["self"].ndim != 1:
        raise CannotCompileError("addmm of more than a product and a bias")
    to.product(call.results[0], given["mat1"], given["mat2"], given["self"])


@entry("bmm")
def _products(to: Translation, call: Call) -> None:
    left, right, result = call.arguments["self"], call.arguments["mat2"], call.results[0]
    to.result(result, [left, right])
    views = [to.layout.view(tensor) for tensor in (result, left, right)]
    batch = views[0].batch
    for i, (tensor, own) in enumerate(((left, (0, 1)), (right, (0, 2))), start=1):
        if views[i].batch is None and batch in own:  # the axis is the result's, if it is not the summed one
            views[i] = to.layout.view(for_any_stream(tensor, batch))
    to.small_products(*views)


@entry("_scaled_dot_product_flash_attention_for_cpu")
def _attention(to: Translation, call: Call) -> None:
    given, result = call.arguments, call.results[0]
    if given["is_causal"] or given["dropout_p"] or given["query"].ndim != 4:
        raise CannotCompileError("attention with a causal mask or dropout")
    query, key, value = (to.layout.view(given[name]) for name in ("query", "key", "value"))
    to.result(result, [given["query"]])
    out = _without_streams(to.layout.view(result))
    scale = given["query"].shape[-1] ** -0.5 if given["scale"] is None else given["scale"]
    weights = to.room(query, [*query.sizes[:3], key.sizes[2]])
    swapped = View(key.buffer, key.offset, (*key.sizes[:2], key.sizes[3], key.sizes[2]),
                   (*key.strides[:2], key.strides[3], key.strides[2]), key.batch)  # fmt: skip
    to.small_products(*(_without_streams(view) for view in (weights, query, swapped)))
    to.elements_to(opcodes.MULTIPLY, weights, weights, scale)
    if given["attn_mask"] is not None:
        to.elements_to(opcodes.ADD, weights, weights, given["attn_mask"])
    softmax_or_nothing(to, weights, 3)
    to.small_products(out, *(_without_streams(view) for view in (weights, value)))


def _without_streams(view: View) -> View:
    """A view with streams alone on its first axis, without it."""
    if view.batch != 0 or view.sizes[0] != 1:
        raise CannotCompileError("attention over several streams")
    return View(view.buffer, view.offset, view.sizes[1:], view.strides[1:], None)
