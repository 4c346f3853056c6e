"""Writes test/goldens/scheduler.json from diffusers: `python -m scripts.goldens.scheduler`.

The coefficients of a step are read off the real scheduler by feeding it ones and zeros. They are computed in float64
from float32 timesteps (what the scheduler's formula means) and in float32 (what diffusers computes).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from diffusers.pipelines.deprecated.wuerstchen.pipeline_wuerstchen_prior import DEFAULT_STAGE_C_TIMESTEPS
from diffusers.schedulers import scheduling_ddpm_wuerstchen as reference
from torch import Tensor

GOLDEN = Path(__file__).parents[2] / "test" / "goldens" / "scheduler.json"

CUSTOM = [1.0, 0.9, 0.85, 0.5, 0.3, 0.01, 0.001, 0.0]
CASES: list[dict[str, Any]] = [
    *({"steps": steps} for steps in (1, 2, 3, 7, 12, 30, 60, 100)),
    {"timesteps": DEFAULT_STAGE_C_TIMESTEPS},
    {"timesteps": CUSTOM},
    {"timesteps": [0.4, 0.0]},
    {"steps": 5, "scaler": 2.0},
    {"steps": 5, "scaler": 0.5},
    {"steps": 5, "s": 0.02},
    {"timesteps": CUSTOM, "scaler": 1.7, "s": 0.005},
]


def scheduler_of(case: dict[str, Any], dtype: torch.dtype) -> reference.DDPMWuerstchenScheduler:
    s = case.get("s", 0.008)
    scheduler = reference.DDPMWuerstchenScheduler(scaler=case.get("scaler", 1.0), s=s)
    if dtype == torch.float64:  # the class keeps s, and what follows from it, in float32
        scheduler.s = torch.tensor([s], dtype=dtype)
        scheduler._init_alpha_cumprod = torch.cos(scheduler.s / (1 + scheduler.s) * torch.pi * 0.5) ** 2
    scheduler.set_timesteps(case.get("steps"), case.get("timesteps"))
    scheduler.timesteps = scheduler.timesteps.to(dtype)
    return scheduler


def coefficients(scheduler: reference.DDPMWuerstchenScheduler, time: Tensor) -> list[float]:
    dtype = scheduler.timesteps.dtype
    one, zero = torch.ones(1, 1, 1, 1, dtype=dtype), torch.zeros(1, 1, 1, 1, dtype=dtype)
    values = []
    for sample, prediction, noise in ((one, zero, zero), (zero, one, zero), (zero, zero, one)):
        with mock.patch.object(reference, "randn_tensor", lambda *_, noise=noise, **__: noise):
            values.append(scheduler.step(prediction, time.reshape(1), sample, return_dict=False)[0].item())
    return values


def narrow_case(steps: int, dtype: torch.dtype) -> dict[str, Any]:
    """What diffusers makes of a schedule when it runs in a narrow type: timesteps are rounded on their way in."""
    scheduler = scheduler_of({"steps": steps}, torch.float32)
    rounded = scheduler.timesteps[:-1].to(dtype)
    return {
        "steps": steps,
        "dtype": str(dtype).removeprefix("torch."),
        "scaled": (rounded * 10_000).tolist(),  # what the networks take sines and cosines of
        "float32": [coefficients(scheduler, time) for time in rounded],
    }


def main() -> None:
    cases = []
    for case in CASES:
        exact, single = scheduler_of(case, torch.float64), scheduler_of(case, torch.float32)
        cases.append(
            {
                **case,
                "ratios": single.timesteps.tolist(),
                "coefficients": [coefficients(exact, time) for time in exact.timesteps[:-1]],
                "float32": [coefficients(single, time) for time in single.timesteps[:-1]],
            }
        )
    linspace = {steps: torch.linspace(1.0, 0.0, steps + 1).double().sum().item() for steps in range(1, 1001)}
    times = [index / 20 for index in range(21)]
    alphas = scheduler_of({"steps": 1}, torch.float64)._alpha_cumprod(torch.tensor(times, dtype=torch.float64), "cpu")
    golden = {
        "made_by": "python -m scripts.goldens.scheduler, diffusers 0.42.1, torch 2.13.0",
        "default_stage_c_timesteps": DEFAULT_STAGE_C_TIMESTEPS,
        "alphas": alphas.tolist(),
        "linspace_sums": list(linspace.values()),
        "cases": cases,
        "narrow": [narrow_case(steps, dtype) for steps in (7, 60, 300) for dtype in (torch.bfloat16, torch.float16)],
    }
    GOLDEN.write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
