"""Writes a checkpoint in the hub's layout: the decoder's repository and, beside it, the prior's."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from .configurations import Component

SCHEDULER = {"_class_name": "DDPMWuerstchenScheduler", "_diffusers_version": "0.42.1", "s": 0.008, "scaler": 1.0}
DIFFUSERS_VERSION = "0.42.1"
# The hub's text encoder is a model of transformers: other config fields, other file name.
WEIGHTS = {"CLIPTextModel": "model.safetensors"}
DEFAULT_WEIGHTS = "diffusion_pytorch_model.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """All that the two repositories hold. `weights` of a component's name, under the hub's parameter names: asked for
    one after the other, so that a full-size checkpoint never is in memory as a whole."""

    components: tuple[Component, ...]
    weights: Callable[[str], dict[str, Tensor]]
    tokenizer: Path  # a folder with CLIP's tokenizer files
    latent_mean: float = 42.0
    latent_std: float = 1.0
    resolution_multiple: float = 42.67
    latent_dim_scale: float = 10.67
    default_size: tuple[int, int] | None = None  # ours; diffusers ignores names that start with an underscore
    default_guidance_scale: float | None = None  # of the prior; ours as well
    default_steps: tuple[int, int] | None = None  # of the prior and the decoder; ours as well
    card: str = ""  # the text of both model cards

    def component(self, name: str) -> Component:
        return next(component for component in self.components if component.name == name)


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n")


def _config(component: Component, tokenizer: dict[str, int]) -> dict[str, Any]:
    if component.hub_class != "CLIPTextModel":
        return {
            "_class_name": component.hub_class,
            "_diffusers_version": DIFFUSERS_VERSION,
            **component.config,
            **({"dropout": 0.1} if component.hub_class in ("WuerstchenPrior", "WuerstchenDiffNeXt") else {}),
        }
    return {
        "architectures": ["CLIPTextModel"],
        "model_type": "clip_text_model",
        "attention_dropout": 0.0,
        "projection_dim": 512,
        "torch_dtype": "float32",
        **tokenizer,
        **component.config,
    }


def _write_component(checkpoint: Checkpoint, name: str, folder: Path) -> None:
    component = checkpoint.component(name)
    ids = json.loads((checkpoint.tokenizer / "tokenizer.json").read_text())["added_tokens"]
    special = {token["content"]: token["id"] for token in ids}
    tokens = {
        "bos_token_id": special["<|startoftext|>"],
        "eos_token_id": special["<|endoftext|>"],
        "pad_token_id": special["<|endoftext|>"],
    }
    _write_json(folder / "config.json", _config(component, tokens))
    weights = {key: tensor.contiguous() for key, tensor in checkpoint.weights(name).items()}
    save_file(weights, folder / WEIGHTS.get(component.hub_class, DEFAULT_WEIGHTS), metadata={"format": "pt"})


def _write_common(checkpoint: Checkpoint, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(folder / "scheduler" / "scheduler_config.json", SCHEDULER)
    shutil.copytree(checkpoint.tokenizer, folder / "tokenizer", dirs_exist_ok=True)


def write_checkpoint(checkpoint: Checkpoint, decoder: Path, prior: Path) -> None:
    _write_common(checkpoint, decoder)
    _write_common(checkpoint, prior)
    names = {component.name for component in checkpoint.components}
    for name in ("text_encoder", "decoder", "vqgan", *({"previewer"} & names)):
        _write_component(checkpoint, name, decoder / name)
    _write_component(checkpoint, "prior_text_encoder", prior / "text_encoder")
    _write_component(checkpoint, "prior", prior / "prior")
    size = {"_default_size": list(checkpoint.default_size)} if checkpoint.default_size else {}
    scale = checkpoint.default_guidance_scale
    guidance = {} if scale is None else {"_default_guidance_scale": scale}
    steps = [
        {} if not checkpoint.default_steps else {"_default_steps": count}
        for count in checkpoint.default_steps or (0, 0)
    ]
    common = {
        "scheduler": ["diffusers", "DDPMWuerstchenScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizerFast"],
    }
    _write_json(
        decoder / "model_index.json",
        {
            "_class_name": "WuerstchenDecoderPipeline",
            "_diffusers_version": DIFFUSERS_VERSION,
            **size,
            **steps[1],
            "decoder": ["wuerstchen", "WuerstchenDiffNeXt"],
            "latent_dim_scale": checkpoint.latent_dim_scale,
            **common,
            "vqgan": ["wuerstchen", "PaellaVQModel"],
        },
    )
    _write_json(
        prior / "model_index.json",
        {
            "_class_name": "WuerstchenPriorPipeline",
            "_diffusers_version": DIFFUSERS_VERSION,
            **guidance,
            **steps[0],
            "latent_mean": checkpoint.latent_mean,
            "latent_std": checkpoint.latent_std,
            "prior": ["wuerstchen", "WuerstchenPrior"],
            "resolution_multiple": checkpoint.resolution_multiple,
            **common,
        },
    )
    header = "license: mit\ntags:\n- text-to-image\n- wuerstchen\n"
    (decoder / "README.md").write_text(f"---\n{header}prior: {prior.name}\n---\n\n{checkpoint.card}")
    (prior / "README.md").write_text(f"---\n{header}---\n\n{checkpoint.card}")


def cast(weights: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    return {key: tensor.to(dtype) if tensor.is_floating_point() else tensor for key, tensor in weights.items()}
