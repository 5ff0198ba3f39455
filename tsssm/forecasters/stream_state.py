"""All that a stream keeps of the past: a few arrays of fixed size."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tsssm.data import Panel
from tsssm.forecasters.encode import encode
from tsssm.forecasters.model import Model, Track

__all__ = ["StreamState"]

Phase = tuple  # one mixer state (a NamedTuple of tensors whose first axis is S) a block


@dataclass(frozen=True)
class StreamState:
    """The past of S series, in a size that does not grow. `advance` gives the next state and leaves this one as it is.

    A forecast is always fresh because the stream keeps `patch_length` phases: the observation of row n completes a
    patch of phase n modulo patch length and advances that phase by one token. With ``refresh="patch"`` there is one
    phase, advanced once a patch.

    Attributes
    ----------
    names : tuple
        The series.
    rows : int
        Rows taken in so far.
    origins, prior : ndarray, (S,) float64
        First observed value and prior deviation; NaN and 1 before the first observation.
    age : ndarray, (S,) int64
        Rows since the first observation, itself included; 0 before it.
    scaler : ndarray, (S, 4) float64
        The causal scaler's state.
    now : ndarray, (S, 2) float64
        Its location and scale after the last row.
    values : ndarray, (S, kept) float64
        The last values, newest last, origin removed; NaN is unobserved.
    covariates : ndarray, (patch_length, C) float32
        Known-future inputs of the last rows.
    phases : tuple
        The blocks' states, one entry a phase.
    hidden : Tensor, (S, d_model)
        What the network's head speaks from: the features of the last token.
    spoken : ndarray, (S, 2) float64
        Location and scale at that token.
    since : ndarray, (S,) int64
        Rows since that token.
    """

    names: tuple[Hashable, ...]
    rows: int
    origins: np.ndarray
    prior: np.ndarray
    age: np.ndarray
    scaler: np.ndarray
    now: np.ndarray
    values: np.ndarray
    covariates: np.ndarray
    phases: tuple[Phase, ...]
    hidden: Tensor
    spoken: np.ndarray
    since: np.ndarray

    @classmethod
    def cold(cls, model: Model, names: tuple[Hashable, ...], n_covariates: int, refresh: str) -> StreamState:
        """The state before any observation."""
        patch, network, n_series = model.spec.patch_length, model.network, len(names)
        n_phases = 0 if network is None else patch if refresh == "step" else 1
        kept = max(patch, model.lags + (patch if refresh == "patch" and network is not None else 0))
        return cls(
            names=names,
            rows=0,
            origins=np.full(n_series, np.nan),
            prior=np.ones(n_series),
            age=np.zeros(n_series, np.int64),
            scaler=model.spec.scaler().initial_state(n_series),
            now=np.tile([0.0, 1.0], (n_series, 1)),
            values=np.full((n_series, kept), np.nan),
            covariates=np.zeros((patch, n_covariates), np.float32),
            phases=tuple(network.initial_state(n_series) for _ in range(n_phases)) if network is not None else (),
            hidden=torch.zeros(n_series, 0 if network is None else model.spec.d_model, dtype=torch.float32),
            spoken=np.tile([0.0, 1.0], (n_series, 1)),
            since=np.zeros(n_series, np.int64),
        )

    @classmethod
    def after(cls, model: Model, panel: Panel, rows: int, refresh: str) -> StreamState:
        """The state after the first `rows` rows, the whole of the panel's values, worked out in parallel."""
        cold = cls.cold(model, panel.names, panel.n_covariates, refresh)
        series, ends = np.arange(panel.n_series), panel.lengths
        track, begun = model.track(panel), ends > 0
        now = np.stack(track.at(panel, series, ends), axis=1)
        padding = np.zeros((max(0, len(cold.covariates) - rows), panel.n_covariates), np.float32)
        state = replace(
            cold,
            rows=rows,
            origins=np.where(begun, panel.origins, np.nan),
            prior=np.where(begun, track.prior, 1.0),
            age=ends.copy(),
            scaler=track.state,
            now=now,
            values=panel.windows(series, ends, cold.values.shape[1]),
            covariates=np.concatenate([padding, panel.covariates[max(0, rows - len(cold.covariates)) : rows]]),
            spoken=now.copy(),
        )
        return state if model.network is None else state._with_phases(model, panel, track)

    def _with_phases(self, model: Model, panel: Panel, track: Track) -> StreamState:
        """Every phase at its last token: the phase of row (rows - k) ends k rows before the last."""
        assert model.network is not None
        back, series = (grid.ravel() for grid in np.indices((len(self.phases), panel.n_series)))
        ends = panel.lengths[series] - back
        real = ends > 0
        back, series, ends = back[real], series[real], ends[real]
        if not len(ends):
            return self
        for piece in encode(model.network, panel, track, series, ends):
            last = piece
        phases, hidden = list(self.phases), self.hidden.clone()
        for k in range(len(phases)):
            rows = np.flatnonzero(back == k)
            phase = (self.rows - k) % len(phases)
            phases[phase] = _put(phases[phase], series[rows], _take(last.state, rows))
        newest = np.flatnonzero(back == 0)
        hidden[series[newest]] = last.hidden[newest, -1]
        return replace(self, phases=tuple(phases), hidden=hidden)

    def advance(self, model: Model, values: np.ndarray, covariates: np.ndarray) -> StreamState:
        """The state after one more row.

        Parameters
        ----------
        model : Model
        values : ndarray, (S,) float64
            NaN is unobserved.
        covariates : ndarray, (C,) float32
        """
        new = (self.age == 0) & ~np.isnan(values)
        origins, prior = self.origins, self.prior
        if new.any():
            origins = np.where(new, values, origins)
            prior = np.where(new, model.priors.of(self.names, np.nan_to_num(values)), prior)
        relative = (values - origins)[:, None]
        scaler = self.scaler.copy()
        now = np.concatenate(model.spec.scaler().advance(relative, prior, scaler), axis=1)
        state = replace(
            self,
            rows=self.rows + 1,
            origins=origins,
            prior=prior,
            age=self.age + ((self.age > 0) | new),
            scaler=scaler,
            now=now,
            values=np.concatenate([self.values[:, 1:], relative], axis=1),
            covariates=np.concatenate([self.covariates[1:], covariates[None]]),
        )
        return state if model.network is None else state._advance_network(model, new)

    def _advance_network(self, model: Model, new: np.ndarray) -> StreamState:
        """Give the token that ends here to its phase, for the series whose turn it is."""
        assert model.step is not None
        since = np.where(self.age > 0, self.since + 1, 0)
        every_row = len(self.phases) == model.spec.patch_length
        due = (self.age > 0) & (every_row | (since >= model.spec.patch_length) | new)
        if not due.any():
            return replace(self, since=since)
        rows = np.flatnonzero(due)
        phase = self.rows % len(self.phases)
        last = self._last_rows(model.spec.patch_length, rows)
        if len(rows) == len(due):  # the usual case, without copies
            hidden, after = model.step(*last, self.phases[phase])
        else:
            spoken, after = model.step(*last, _take(self.phases[phase], rows))
            hidden = self.hidden.clone()
            hidden[rows] = spoken
            after = _put(self.phases[phase], rows, after)
        return replace(
            self,
            phases=(*self.phases[:phase], after, *self.phases[phase + 1 :]),
            hidden=hidden,
            spoken=np.where(due[:, None], self.now, self.spoken),
            since=np.where(due, 0, since),
        )

    def _last_rows(self, patch: int, rows: np.ndarray) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Values, covariates, location and scale of the token that ends with the last row, for `TokenStep`."""
        after_first = np.arange(patch, 0, -1) <= self.age[rows, None]  # rows before the series enter as zero
        covariates = np.where(after_first[..., None], self.covariates, np.float32(0.0))
        values, now = self.values[rows, -patch:], self.now[rows]
        return (
            torch.from_numpy(np.ascontiguousarray(values)),
            torch.from_numpy(covariates),
            torch.from_numpy(now[:, :1]),
            torch.from_numpy(now[:, 1:]),
        )

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Every array, named, as tensors that share its memory: what is saved, and what `state_bytes` counts."""
        for name in ("origins", "prior", "age", "scaler", "now", "values", "covariates", "spoken", "since"):
            yield name, torch.from_numpy(np.ascontiguousarray(getattr(self, name)))
        yield "hidden", self.hidden
        for i, phase in enumerate(self.phases):
            for j, block in enumerate(phase):
                for field, tensor in zip(block._fields, block):
                    yield f"phases.{i}.{j}.{field}", tensor

    def with_tensors(self, tensors: dict[str, Tensor], rows: int) -> StreamState:
        """The same kind of state with other arrays, by the names that `tensors` gives."""
        phases = tuple(
            tuple(
                type(block)(*(tensors[f"phases.{i}.{j}.{field}"] for field in block._fields))
                for j, block in enumerate(phase)
            )
            for i, phase in enumerate(self.phases)
        )
        arrays: dict[str, Any] = {
            n: t.numpy().copy() for n, t in tensors.items() if n != "hidden" and not n.startswith("phases.")
        }
        return replace(self, rows=rows, phases=phases, hidden=tensors["hidden"], **arrays)

    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(tensor.numel() * tensor.element_size() for _, tensor in self.tensors())


def _take(phase: Phase, rows: np.ndarray) -> Phase:
    index = torch.from_numpy(rows)
    return tuple(type(block)(*(tensor[index] for tensor in block)) for block in phase)


def _put(phase: Phase, rows: np.ndarray, part: Phase) -> Phase:
    index = torch.from_numpy(rows)
    return tuple(
        type(block)(*(tensor.index_copy(0, index, new.to(tensor.dtype)) for tensor, new in zip(block, new_block)))
        for block, new_block in zip(phase, part)
    )
