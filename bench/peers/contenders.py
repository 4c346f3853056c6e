"""The peers: each takes a stage and gives a function that computes one step and returns its output."""

from __future__ import annotations

from collections.abc import Callable

import torch
from safetensors import safe_open
from torch import Tensor

from scripts.graph import bind

from .checkpoint import NAME
from .exported import onnxruntime, openvino
from .setting import Setting, Step
from .stages import Stage


def finished(stage: Stage, step: Callable[..., Tensor]) -> Step:
    return lambda: stage.finish(step(*stage.inputs))


def eager(setting: Setting) -> Step:
    stage = setting.load()
    return finished(stage, stage.module)


def sdpa(setting: Setting) -> Step:
    stage = setting.load_with_sdpa()
    return finished(stage, stage.module)


def compiled(setting: Setting) -> Step:
    stage = setting.load_with_sdpa()
    return finished(stage, torch.compile(stage.module))


def autotuned(setting: Setting) -> Step:
    from torch._inductor import config

    config.freezing = True
    stage = setting.load_with_sdpa()
    return finished(stage, torch.compile(stage.module, mode="max-autotune"))


def torchscript(setting: Setting) -> Step:
    """Our graph as the package ships it, in plain libtorch: what our runtime adds is the difference from it."""
    graph = torch.jit.load(setting.home / "graphs" / NAME / f"{setting.stage}.pt")
    folder = setting.home / (f"{NAME}-prior" if setting.stage == "prior" else NAME)
    with safe_open(folder / setting.stage / "diffusion_pytorch_model.safetensors", "pt") as file:
        bind(graph, {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118 (no mapping)
    graph.eval().to(setting.dtype)
    given = setting.load_inputs()
    if setting.stage == "vqgan":
        return lambda: graph.decode(*given.inputs)
    if setting.stage == "prior":
        latents, ratio, text = given.inputs
        condition = graph.condition(text)
    else:
        latents, ratio, image, text = given.inputs
        condition = graph.condition(text, image, latents.shape[2], latents.shape[3])
    modulation = graph.modulate(ratio.float())
    return lambda: given.finish(graph.step(latents, modulation, condition))


CONTENDERS: dict[str, Callable[[Setting], Step]] = {
    "eager": eager,
    "sdpa": sdpa,
    "compile": compiled,
    "autotune": autotuned,
    "onnxruntime": onnxruntime,
    "openvino": openvino,
    "openvino-f32": lambda setting: openvino(setting, "f32"),
    "torchscript": torchscript,
}
