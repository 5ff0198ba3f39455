"""Calls of operators on tensors of the meta device, which have any size and no numbers, down to the launches."""

from __future__ import annotations

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

__all__ = ["OnMeta"]


class OnMeta(TorchDispatchMode):
    """Runs what launches kernels, where torch would but tell the shapes; all is to stay on the one device.

    It refuses what makes the CPU wait for a device, and tensors of the CPU, which would have to be copied to it.
    """

    WAITING = (torch.ops.aten._local_scalar_dense, torch.ops.aten.nonzero, torch.ops.aten.is_nonzero)

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        assert function.overloadpacket not in self.WAITING, f"{function} waits for the device"
        if function.namespace == "tsssm":
            with self:  # what it is made of, too
                return function.redispatch(torch._C.DispatchKeySet(torch._C.DispatchKey.CPU), *args, **(kwargs or {}))
        made = function(*args, **(kwargs or {}))
        for x in tree_leaves((args, kwargs, made)):
            if isinstance(x, torch.Tensor):
                assert x.device.type == "meta", f"{function} has a tensor of the CPU, {tuple(x.shape)}"
        return made
