"""Compiles the hot methods of exported graphs with AOTInductor, for one kind of machine: `python -m scripts.export … --compile`.

A package holds machine code and no weights: they are bound from the same safetensors as the graph's. Sizes stay open,
so one package serves every picture. The manifest says what a package is for, and a machine that is another one runs
the graph instead.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim

from .configurations import Component
from .graph import example_inputs, fill, run

METHODS = {"WuerstchenPrior": "step", "WuerstchenDiffNeXt": "step", "PaellaVQModel": "decode"}
OPTIONS = {
    # No weight may become part of the code, not even a scalar: a package is for every checkpoint of its config.
    "aot_inductor.package_constants_in_so": False,
    "always_keep_tensor_constants": True,
    # As many as its pipeline has, not as this process has.
    "cpp.dynamic_threads": True,
}
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 5e-2, torch.float16: 2e-2}


class Method(nn.Module):
    """One method of a network as a module, which is what is compiled. Its weights are called `network.…`."""

    def __init__(self, network: nn.Module, name: str):
        super().__init__()
        self.network, self.name = network, name

    def forward(self, *inputs: Any) -> Tensor:
        return getattr(self.network, self.name)(*inputs)


def open_sizes(value: Tensor | list[Tensor]) -> Any:
    """Every axis may have another length, but those that the code says it needs."""
    return (
        [open_sizes(one) for one in value] if isinstance(value, list) else dict.fromkeys(range(value.dim()), Dim.AUTO)
    )


def inputs_of(network: nn.Module, component: Component, method: str, batch: int, dtype: torch.dtype) -> tuple[Any, ...]:
    inputs = example_inputs(component, batch, dtype, scale=2)  # an axis of length one would stay one
    if method != "step":
        return tuple(inputs[method])
    outputs = run(network, {name: inputs[name] for name in ("modulate", "condition")})
    return (*inputs[method], outputs["modulate"][0], outputs["condition"])


def on(device: str, value: Any) -> Any:
    return [on(device, one) for one in value] if isinstance(value, list) else value.to(device)


def capability(device: str) -> str:
    """What the machine code needs: of a CPU, the instructions that libtorch calls so; of a GPU, its architecture."""
    if device == "cpu":
        return torch.backends.cpu.get_cpu_capability()
    return "sm_{}{}".format(*torch.cuda.get_device_capability())


def compile_method(component: Component, folder: Path, device: str, dtype: torch.dtype) -> dict[str, Any] | None:
    """Writes the package of a network's hot method, compares it, and returns its entry in the manifest."""
    name = METHODS.get(component.hub_class)
    if name is None:
        return None
    network = component.build().eval()
    fill(network)
    network.to(dtype)
    examples = {batch: inputs_of(network, component, name, batch, dtype) for batch in (1, 2)}  # text stays on the CPU
    module = Method(network, name).to(device)
    inputs = tuple(on(device, value) for value in examples[2])
    sizes = (tuple(open_sizes(value) for value in inputs),)
    path = folder / f"{component.name}.{name}.{device}.{str(dtype).removeprefix('torch.')}.pt2"
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(module, inputs, dynamic_shapes=sizes, strict=False)
        torch._inductor.aoti_compile_and_package(program, package_path=str(path), inductor_configs=OPTIONS)
        fill(network.to("cpu"), seed=1)  # other weights than those that it was compiled with, drawn where they can be
        network.to(device)
        compare(module, path, component, examples, device)
    return {
        "method": name,
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "device": device,
        "dtype": str(dtype).removeprefix("torch."),
        "capability": capability(device),
        "torch": torch.__version__.split("+")[0],
    }


def compare(module: Method, path: Path, component: Component, examples: dict[int, Any], device: str) -> None:
    package = torch._inductor.aoti_load_package(str(path))
    weights = module.state_dict()
    needed = {name: weights[name] for name in package.loader.get_constant_fqns()}  # others belong to other methods
    package.load_constants(needed, check_full_update=True, user_managed=True)
    for batch, example in examples.items():
        inputs = [on(device, value) for value in example]
        wanted, found = module(*inputs).float(), package(*inputs).float()
        error = ((found - wanted).abs().max() / wanted.abs().max()).item()
        allowed = TOLERANCE[next(module.parameters()).dtype]
        if not error <= allowed:
            raise ValueError(
                f"Expected the compiled {component.name}.{module.name} to match the network within {allowed} "
                f"in a batch of {batch} but the difference is {error:.2e}"
            )


def compile_all(components: tuple[Component, ...], folder: Path, device: str, dtype: torch.dtype) -> None:
    """Adds packages to a folder of graphs. What the manifest has for this device and dtype is replaced."""
    manifest_file = folder / "manifest.json"
    manifest = json.loads(manifest_file.read_text())
    for component, graph in zip(components, manifest["graphs"], strict=True):
        made = compile_method(component, folder, device, dtype)
        if made is None:
            continue
        kept = [one for one in graph.get("compiled", []) if (one["device"], one["dtype"]) != (device, made["dtype"])]
        graph["compiled"] = [*kept, made]
        print(f"{folder.name}/{made['file']}: for {made['capability']}, torch {made['torch']}", flush=True)
    manifest_file.write_text(json.dumps(manifest, indent=1) + "\n")
