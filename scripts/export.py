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
import re
import warnings
import zipfile
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .configurations import V2, Component, defaults_of, from_folders

FORMAT = 1
CONSTANT = re.compile(r"  \w+ : Final\[")
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


def script(component: Component) -> torch.jit.ScriptModule:
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.script(component.build())


def strip(module: nn.Module) -> None:
    """Replaces every weight by one zero spread over its shape: the file keeps the shape and four bytes."""
    for owner in module.modules():
        for name, parameter in list(owner.named_parameters(recurse=False)):
            placeholder = torch.zeros(()).expand(parameter.shape)
            setattr(owner, name, nn.Parameter(placeholder, requires_grad=False))
        for name, buffer in list(owner.named_buffers(recurse=False)):
            setattr(owner, name, torch.zeros((), dtype=buffer.dtype).expand(buffer.shape))


def canonical(code: bytes) -> bytes:
    """A module's source with its constants in order: TorchScript writes them as a hash table happens to hold them."""
    lines = code.decode().split("\n")
    blocks = groupby(lines, key=lambda line: bool(CONSTANT.match(line)))
    ordered = [line for constants, block in blocks for line in (sorted(block) if constants else block)]
    return "\n".join(ordered).encode()


def serialise(module: torch.jit.ScriptModule) -> bytes:
    """The graph as bytes that depend on nothing but the code: no source paths, no times."""
    raw = io.BytesIO()
    torch.jit.save(module, raw)
    packed = io.BytesIO()
    with zipfile.ZipFile(raw) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for name in sorted(source.namelist()):
            if name.endswith((".debug_pkl", "/serialization_id")):
                continue
            data = source.read(name)
            data = canonical(data) if name.endswith(".py") else data
            target.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def bind(graph: torch.jit.ScriptModule, weights: dict[str, Tensor]) -> None:
    """Gives a stripped graph its weights, as the addon does."""
    for path, owner in graph.named_modules():
        for name, _ in [*owner.named_parameters(recurse=False), *owner.named_buffers(recurse=False)]:
            setattr(owner, name, weights[f"{path}.{name}" if path else name])


def example_inputs(component: Component, batch: int, dtype: torch.dtype, scale: int = 1) -> dict[str, list[Any]]:
    """Small inputs for every method, in an order in which each finds the outputs of those before it. `scale`: of Stage
    B's maps, of which the smallest else has a height of one."""
    generator = torch.Generator().manual_seed(batch)
    config = component.config

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(dtype)

    if component.hub_class == "CLIPTextModel":
        length = config["max_position_embeddings"]
        ids = torch.randint(config["vocab_size"], (batch, length), generator=generator)
        mask = (torch.arange(length) < length - batch).long().expand(batch, length)
        return {"encode": [ids, mask]}
    if component.hub_class == "PaellaVQModel":
        return {
            "decode": [normal(batch, config["latent_channels"], 4, 6)],
            "encode": [torch.rand(batch, 3, 32, 64, generator=generator).to(dtype)],
        }
    if component.hub_class == "WuerstchenPreviewer":
        return {"decode": [normal(batch, config["c_in"], 2, 3)]}
    ratio = torch.rand(batch, generator=generator)
    if component.hub_class == "WuerstchenPrior":
        conditions: list[Any] = [normal(batch, 5, config["c_cond"])]
        latents = normal(batch, config["c_in"], 3, 4)
    else:
        stride = scale * config["patch_size"] * 2 ** (len(config["c_hidden"]) - 1)
        conditions = [normal(batch, 5, config["clip_embd"]), normal(batch, config["effnet_embd"], 2, 3)]
        conditions += [stride, 2 * stride]
        latents = normal(batch, config["c_in"], stride, 2 * stride)
    return {"modulate": [ratio], "condition": conditions, "heads": [latents], "step": [latents]}


def run(module: nn.Module, inputs: dict[str, list[Any]]) -> dict[str, list[Tensor]]:
    outputs: dict[str, list[Tensor]] = {}
    for name, arguments in inputs.items():
        if name in ("heads", "step"):
            arguments = [*arguments, outputs["modulate"][0], outputs["condition"]]
        result = getattr(module, name)(*arguments)
        outputs[name] = [result] if isinstance(result, Tensor) else list(result)
    return outputs


def fill(module: nn.Module, seed: int = 0) -> None:
    """Seeded weights that keep every layer's output at the scale of its input, norms and gates open."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in module.named_parameters():
        with torch.no_grad():
            fan = parameter[0].numel() if parameter.dim() > 1 else 0
            parameter.normal_(0, fan**-0.5 if fan else 0.1, generator=generator)
            if "norm" in name and name.endswith("weight"):
                parameter.add_(1)


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
