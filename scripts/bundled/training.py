"""What the three trainings share: a seeded loop with a schedule, EMA, progress and checkpoints that survive a kill."""

from __future__ import annotations

import copy
import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel


@dataclass(frozen=True)
class Plan:
    """How long and how fast one training goes."""

    steps: int
    learning_rate: float
    warmup: int = 100
    weight_decay: float = 0.0
    ema_decay: float = 0.999
    clip: float = 1.0
    checkpoint_every: int = 100
    log_every: int = 50
    report_every: int = 1000


def cosine_rate(step: int, plan: Plan) -> float:
    """Linear warm-up, then half a cosine down to 2% of the peak."""
    if step < plan.warmup:
        return plan.learning_rate * (step + 1) / plan.warmup
    progress = (step - plan.warmup) / max(1, plan.steps - plan.warmup)
    return plan.learning_rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


def autocast(device: torch.device) -> torch.autocast:
    """bfloat16 where the device multiplies it natively; a CPU without the instructions is slower with it."""
    native = device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=native)


def compiled(function: Callable[..., Tensor], enabled: bool) -> Callable[..., Tensor]:
    """`torch.compile` with plain attention: twice as fast on a CPU for sequences this short (measured: 131 pictures
    a second against 68 in Stage B on two AVX-512 cores), for two minutes of compiling."""
    if not enabled:
        return function
    fast = torch.compile(function, dynamic=False)

    def call(*inputs: Tensor) -> Tensor:
        with sdpa_kernel(SDPBackend.MATH):
            return fast(*inputs)

    return call


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """A killed process leaves the old file or the new one, never half of one."""
    partial = path.with_suffix(path.suffix + ".partial")
    write(partial)
    os.replace(partial, path)


def trained(checkpoint: Path, module: str) -> dict[str, Tensor]:
    """The averaged weights of one module of a training's checkpoint."""
    average = torch.load(checkpoint, weights_only=True, map_location="cpu")["average"]
    prefix = f"{module}."
    return {key.removeprefix(prefix): value for key, value in average.items() if key.startswith(prefix)}


class Trainer:
    """Trains `modules` by minimising `loss(step, generator)`; one checkpoint file holds all there is to go on.

    Every step draws from a generator seeded by (seed, step), so a resumed run sees what an unbroken one would.
    """

    def __init__(self, name: str, folder: Path, modules: nn.ModuleDict, plan: Plan, seed: int, device: torch.device):
        self.name, self.folder, self.plan, self.seed, self.device = name, folder, plan, seed, device
        self.modules = modules.to(device)
        self.average = copy.deepcopy(self.modules).requires_grad_(False)
        self.optimizer = torch.optim.AdamW(
            [parameter for parameter in modules.parameters() if parameter.requires_grad],
            lr=plan.learning_rate,
            betas=(0.9, 0.99),
            weight_decay=plan.weight_decay,
        )
        self.step = 0
        self.seconds = 0.0
        folder.mkdir(parents=True, exist_ok=True)
        self.checkpoint = folder / f"{name}.pt"
        self.log = folder / f"{name}.jsonl"

    def finished(self) -> bool:
        """Whether the checkpoint on disk is at the plan's end."""
        return self.resume() and self.step >= self.plan.steps

    def resume(self) -> bool:
        if not self.checkpoint.exists():
            return False
        state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        self.modules.load_state_dict(state["modules"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]
        return True

    def save(self) -> None:
        state = {
            "modules": self.modules.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }
        write_atomically(self.checkpoint, lambda path: torch.save(state, path))

    def _update_average(self) -> None:
        decay = min(self.plan.ema_decay, (1 + self.step) / (10 + self.step))  # follows quickly at first
        with torch.no_grad():
            for average, value in zip(self.average.parameters(), self.modules.parameters(), strict=True):
                average.lerp_(value, 1 - decay)

    def run(
        self,
        loss: Callable[[int, torch.Generator], tuple[Tensor, dict[str, float]]],
        until: float = math.inf,
        report: Callable[[], None] | None = None,
    ) -> bool:
        """Trains to the plan's end, or until the clock passes `until`; true when the plan is complete."""
        if self.resume():
            print(f"{self.name}: resumed at step {self.step} of {self.plan.steps}", flush=True)
        self.modules.train()
        sums: dict[str, float] = {}
        last = time.time()
        while self.step < self.plan.steps and time.time() < until:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.step)
            for group in self.optimizer.param_groups:
                group["lr"] = cosine_rate(self.step, self.plan)
            with autocast(self.device):
                value, parts = loss(self.step, generator)
            self.optimizer.zero_grad(set_to_none=True)
            value.backward()
            norm = nn.utils.clip_grad_norm_(self.modules.parameters(), self.plan.clip)
            if torch.isfinite(norm):
                self.optimizer.step()
                self._update_average()
            self.step += 1
            for key, part in {"loss": value.item(), **parts}.items():
                sums[key] = sums.get(key, 0.0) + part
            if self.step % self.plan.log_every == 0:
                self.seconds += time.time() - last
                last = time.time()
                means = {key: total / self.plan.log_every for key, total in sums.items()}
                sums = {}
                with self.log.open("a") as file:
                    file.write(json.dumps({"step": self.step, "seconds": round(self.seconds, 1), **means}) + "\n")
                shown = " ".join(f"{key} {mean:.4f}" for key, mean in means.items())
                print(f"{self.name} {self.step}/{self.plan.steps} {self.seconds:.0f}s {shown}", flush=True)
            if self.step % self.plan.checkpoint_every == 0:
                self.save()
            if report is not None and self.step % self.plan.report_every == 0:
                report()
        self.save()
        if report is not None:
            report()
        return self.step >= self.plan.steps
