"""How fast this machine multiplies: one linear layer through oneDNN with its weight packed once, and through what
PyTorch calls (MKL or its like, in float32). It is the yardstick that a step is held against.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

# Rows, inputs, outputs: Stage C's channel mixer, there and back; a middle and an outer level of Stage B; Stage A's.
SHAPES = ((1152, 1536, 6144), (1152, 6144, 1536), (1024, 2304, 5120), (16384, 320, 1280), (16384, 384, 1536))
REPEATS = 3


def packed(weight: Tensor, bias: Tensor, rows: int) -> Callable[[Tensor], Tensor]:
    laid_out = torch.ops.mkldnn._reorder_linear_weight(weight, rows)
    return lambda x: torch.ops.mkldnn._linear_pointwise(x, laid_out, bias, "none", [], "")


def fastest(call: Callable[[], Any]) -> float:
    """Milliseconds of the fastest of a few: an upper bound of the machine is wanted, not what disturbed it."""
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        call()
        times.append((time.perf_counter() - started) * 1000)
    return min(times)


def rates(dtype: torch.dtype) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Prepares every shape; each request then measures all of them, in GFLOP/s."""
    generator = torch.Generator().manual_seed(0)
    prepared = []
    for rows, inputs, outputs in SHAPES:
        x = torch.randn(rows, inputs, generator=generator).to(dtype)
        weight = (torch.randn(outputs, inputs, generator=generator) * inputs**-0.5).to(dtype)
        bias = torch.randn(outputs, generator=generator).to(dtype)
        prepared.append((x, weight, bias, packed(weight, bias, rows)))

    def measure(_request: dict[str, Any]) -> dict[str, Any]:
        found = []
        for (rows, inputs, outputs), (x, weight, bias, linear) in zip(SHAPES, prepared, strict=True):
            work = 2 * rows * inputs * outputs / 1e6  # MFLOP: per millisecond, GFLOP/s
            found.append(
                {
                    "shape": [rows, inputs, outputs],
                    "packed": work / fastest(lambda linear=linear, x=x: linear(x)),
                    "plain": work / fastest(lambda x=x, w=weight, b=bias: F.linear(x, w, b)),
                }
            )
        return {"rates": found}

    return measure
