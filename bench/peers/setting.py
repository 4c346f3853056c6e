"""What a contender is given, and what it gives: a function that computes one step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers.models.attention_processor import AttnProcessor2_0
from torch import Tensor

from .stages import FINISH, Given, Stage, given_inputs, load_stage

Step = Callable[[], Tensor]


@dataclass(frozen=True)
class Setting:
    home: Path
    stage: str
    dtype: torch.dtype
    threads: int

    def load(self) -> Stage:
        return load_stage(self.home, self.stage, self.dtype)

    def load_inputs(self) -> Given:
        return Given(given_inputs(self.home, self.stage, self.dtype), FINISH[self.stage])

    def load_with_sdpa(self) -> Stage:
        """Stage B has it from the start; Stage C's constructor takes it away."""
        stage = self.load()
        if self.stage == "prior":
            stage.module.set_attn_processor(AttnProcessor2_0())
        return stage
