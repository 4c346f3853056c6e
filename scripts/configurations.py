"""Which configs the graphs are made from: the hub's v2, or whatever a folder in the hub layout says."""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from .networks import Decoder, Previewer, Prior, TextEncoder, Vqgan

# The class names that config.json files carry, and our implementation of each.
NETWORKS: dict[str, type[nn.Module]] = {
    "CLIPTextModel": TextEncoder,
    "WuerstchenPrior": Prior,
    "WuerstchenDiffNeXt": Decoder,
    "PaellaVQModel": Vqgan,
    "WuerstchenPreviewer": Previewer,
}


@dataclass(frozen=True)
class Component:
    """One network of a checkpoint: its name in the hub layout, its class there, its config and folder."""

    name: str
    hub_class: str
    config: dict[str, Any]
    folder: Path | None = None

    @property
    def network(self) -> type[nn.Module]:
        return NETWORKS[self.hub_class]

    def build(self) -> nn.Module:
        return self.network(**self.config).eval()


def defaults_of(network: type[nn.Module]) -> dict[str, Any]:
    """What the class assumes for a field that config.json leaves out."""
    parameters = list(inspect.signature(network.__init__).parameters.values())[1:]
    return json.loads(json.dumps({parameter.name: parameter.default for parameter in parameters}))


def component(name: str, hub_class: str, stated: dict[str, Any], folder: Path | None = None) -> Component:
    """Keeps the fields that decide the network, fills in the class's defaults."""
    defaults = defaults_of(NETWORKS[hub_class])
    config = {key: stated.get(key, default) for key, default in defaults.items()}
    config.pop("dropout", None)  # training-only, and not always the same number
    return Component(name, hub_class, config, folder)


V2 = (
    component(
        "prior_text_encoder",
        "CLIPTextModel",
        {
            "hidden_size": 1280,
            "num_hidden_layers": 32,
            "num_attention_heads": 20,
            "intermediate_size": 5120,
            "hidden_act": "gelu",
        },
    ),
    component("prior", "WuerstchenPrior", {"c": 1536, "c_cond": 1280, "depth": 32, "nhead": 24}),
    component(
        "text_encoder",
        "CLIPTextModel",
        {
            "hidden_size": 1024,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
            "intermediate_size": 4096,
            "hidden_act": "gelu",
        },
    ),
    component("decoder", "WuerstchenDiffNeXt", {}),
    component("vqgan", "PaellaVQModel", {}),
)


def _read(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.is_file():
        raise ValueError(f"Expected {path} to be a file but found none")
    return json.loads(path.read_text())


def from_folders(decoder: Path, prior: Path) -> tuple[Component, ...]:
    """The components of a checkpoint in the hub layout: the decoder's repository, which may have our previewer beside its
    own networks, and the prior's."""
    folders = {
        "prior_text_encoder": prior / "text_encoder",
        "prior": prior / "prior",
        "text_encoder": decoder / "text_encoder",
        "decoder": decoder / "decoder",
        "vqgan": decoder / "vqgan",
    }
    classes = {
        "prior_text_encoder": "CLIPTextModel",
        "prior": "WuerstchenPrior",
        "text_encoder": "CLIPTextModel",
        "decoder": "WuerstchenDiffNeXt",
        "vqgan": "PaellaVQModel",
        "previewer": "WuerstchenPreviewer",
    }
    if (decoder / "previewer").is_dir():
        folders["previewer"] = decoder / "previewer"
    return tuple(component(name, classes[name], _read(folder), folder) for name, folder in folders.items())
