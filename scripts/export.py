"""Exports the networks to TorchScript graphs without weights: `python -m scripts.export v2 --out graphs`.

A graph holds code and the shapes of its parameters, never their values: those are bound from a checkpoint's
safetensors when it is loaded. Each graph is compared with the eager module, in float32 and bfloat16, from the file as
written, before the manifest names it.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from .configurations import V2, Component, defaults_of, from_folders
from .graph import bind, example_inputs, fill, run, script, serialise, strip
from .networks.blocks import AttentionBlock

FORMAT = 1
# dtype; tolerance relative to the largest value, and that of `step`. A step divides by |1 - b|, which these weights leave
# as small as a hundredth: what a CPU's own order of sums changes in the last bits of b is a hundred times as much there.
PAIRS = ((torch.float32, 1e-5, 2e-4), (torch.bfloat16, 5e-2, 5e-2))


@dataclass(frozen=True)
class Port:
    """An input or output: axes are numbers, or names of what may vary."""

    name: str
    dtype: str  # "float32", "int64", "int" (a plain number), or "model" (the graph's dtype)
    shape: list[int | str]
    many: bool = False  # a list of such tensors


@dataclass(frozen=True)
class Method:
    name: str
    inputs: list[Port]
    outputs: list[Port]


def text_encoder_methods(config: dict[str, Any]) -> list[Method]:
    ids = [Port("ids", "int64", ["B", "T"]), Port("mask", "int64", ["B", "T"])]
    return [Method("encode", ids, [Port("text", "model", ["B", "T", config["hidden_size"]])])]


def stage_methods(channels: int, conditions: list[Port]) -> list[Method]:
    """What Stage B and Stage C have in common."""
    modulation = Port("modulation", "model", ["B", "M"])
    condition = Port("condition", "model", ["B", "..."], many=True)
    latents = Port("latents", "model", ["B", channels, "H", "W"])
    inputs = [latents, modulation, condition]
    return [
        Method("modulate", [Port("ratio", "float32", ["S"])], [Port("modulation", "model", ["S", "M"])]),
        Method("condition", conditions, [condition]),
        Method("heads", inputs, [Port("a", "model", latents.shape), Port("b", "model", latents.shape)]),
        Method("step", inputs, [Port("noise", "model", latents.shape)]),
    ]


def prior_methods(config: dict[str, Any]) -> list[Method]:
    return stage_methods(config["c_in"], [Port("text", "model", ["B", "T", config["c_cond"]])])


def decoder_methods(config: dict[str, Any]) -> list[Method]:
    conditions = [
        Port("text", "model", ["B", "T", config["clip_embd"]]),
        Port("image", "model", ["B", config["effnet_embd"], "h", "w"]),
        Port("height", "int", []),
        Port("width", "int", []),
    ]
    return stage_methods(config["c_in"], conditions)


def vqgan_methods(config: dict[str, Any]) -> list[Method]:
    latents = Port("latents", "model", ["B", config["latent_channels"], "h", "w"])
    pixels = Port("pixels", "model", ["B", config["in_channels"], "H", "W"])
    return [Method("encode", [pixels], [latents]), Method("decode", [latents], [pixels])]


def previewer_methods(config: dict[str, Any]) -> list[Method]:
    image = Port("image", "model", ["B", config["c_in"], "h", "w"])
    return [Method("decode", [image], [Port("pixels", "model", ["B", 3, "H", "W"])])]


METHODS = {
    "CLIPTextModel": text_encoder_methods,
    "WuerstchenPrior": prior_methods,
    "WuerstchenDiffNeXt": decoder_methods,
    "PaellaVQModel": vqgan_methods,
    "WuerstchenPreviewer": previewer_methods,
}
# In every hub file of the class, but no part of the network.
IGNORED = {"CLIPTextModel": ["text_model.embeddings.position_ids"]}


@torch.no_grad()
def check(component: Component, data: bytes) -> None:
    """Compares the graph, read back from its bytes and bound, with the eager module."""
    with torch.device("meta"):
        eager = component.build()
    eager.to_empty(device="cpu")
    for name, buffer in eager.named_buffers():
        buffer.fill_(1 if name.endswith("var") else 0)
    fill(eager)
    for dtype, plain, of_step in PAIRS:
        eager.to(dtype)
        graph = torch.jit.load(io.BytesIO(data))
        bind(graph, eager.state_dict())
        for batch in (1, 2):
            inputs = example_inputs(component, batch, dtype)
            wanted, got = run(eager, inputs), run(graph, inputs)
            for method, tensors in wanted.items():
                tolerance = of_step if method == "step" else plain
                for reference, tensor in zip(tensors, got[method], strict=True):
                    if reference.numel() == 0:
                        continue
                    error = (tensor.float() - reference.float()).abs().max() / reference.float().abs().max()
                    if not error <= tolerance:
                        raise ValueError(
                            f"Expected {component.name}.{method} to match the eager module within {tolerance} "
                            f"in {dtype} but the difference is {error:.2e}"
                        )
        del graph


def before_text(prior: Component) -> list[str]:
    """Paths of Stage C's blocks up to the first attention, which is the first to read the text."""
    with torch.device("meta"):
        blocks = list(prior.build().blocks)
    first = next(index for index, block in enumerate(blocks) if isinstance(block, AttentionBlock))
    return [f"blocks.{index}" for index in range(first + 1)]


def block_facts(component: Component) -> dict[str, Any]:
    """What kernels of the addon may leave out, by the paths of modules in the graph; nothing for a network without."""
    facts: dict[str, Any] = {"beforeText": [], "mappers": {}}
    if component.hub_class == "WuerstchenPrior":
        facts["beforeText"] = before_text(component)
    elif component.hub_class == "WuerstchenDiffNeXt":
        inject = component.config["inject_effnet"]
        levels = len(inject)
        for place, injects in enumerate([*inject, *reversed(inject)]):
            if injects:
                level = f"down_blocks.{place}" if place < levels else f"up_blocks.{place - levels}"
                facts["mappers"][level] = f"effnet_mappers.{place}"
    else:
        return {}
    return {"blocks": facts}


def export(component: Component, folder: Path, compare: bool) -> dict[str, Any]:
    """Writes one graph and returns its entry in the manifest."""
    scripted = script(component)
    strip(scripted)
    data = serialise(scripted)
    if compare:
        check(component, data)
    path = folder / f"{component.name}.pt"
    path.write_bytes(data)
    parameters = [
        {"name": name, "shape": list(tensor.shape)}
        for name, tensor in [*scripted.named_parameters(), *scripted.named_buffers()]
    ]
    defaults = defaults_of(component.network)
    return {
        "component": "text_encoder" if component.hub_class == "CLIPTextModel" else component.name,
        "class": component.hub_class,
        "config": component.config,
        "defaults": {key: defaults[key] for key in component.config},
        "file": path.name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "methods": {
            method.name: {
                "inputs": [asdict(port) for port in method.inputs],
                "outputs": [asdict(port) for port in method.outputs],
            }
            for method in METHODS[component.hub_class](component.config)
        },
        "parameters": parameters,
        "ignored": IGNORED.get(component.hub_class, []),
        **block_facts(component),
    }


def export_all(components: tuple[Component, ...], name: str, out: Path, compare: bool = True) -> Path:
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for component in components:
        entries.append(export(component, folder, compare))
        print(f"{name}/{entries[-1]['file']}: {len(entries[-1]['parameters'])} parameters", flush=True)
    manifest = {
        "format": FORMAT,
        "name": name,
        "torch": torch.__version__.split("+")[0],
        "graphs": entries,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="'v2', or a decoder's folder in the hub layout")
    parser.add_argument("--prior", type=Path, help="the prior's folder; beside the decoder's as NAME-prior by default")
    parser.add_argument("--name", help="of the folder under --out; the model's by default")
    parser.add_argument("--out", type=Path, default=Path("graphs"))
    parser.add_argument("--no-check", action="store_true", help="skip the comparison with the eager modules")
    parser.add_argument(
        "--compile",
        metavar="DTYPE",
        choices=["float32", "bfloat16", "float16"],
        help="compile the hot methods, too, for this machine",
    )
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"], help="of what is compiled")
    options = parser.parse_args()
    if options.model == "v2":
        components, name = V2, "v2"
    else:
        decoder = Path(options.model)
        prior = options.prior or decoder.with_name(f"{decoder.name}-prior")
        components, name = from_folders(decoder, prior), decoder.name
    torch.manual_seed(0)
    folder = export_all(components, options.name or name, options.out, compare=not options.no_check)
    if options.compile:
        from .compile import compile_all  # it needs what is above

        compile_all(components, folder, options.device, getattr(torch, options.compile))


if __name__ == "__main__":
    main()
