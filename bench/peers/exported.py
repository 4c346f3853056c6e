"""The peers that read a file: ONNX Runtime and OpenVINO, with what their own exporters make of diffusers' modules.

The files are kept, under a name that says what they were made from.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .setting import Setting, Step

REQUIREMENTS = Path(__file__).parents[1] / "requirements.txt"
RECIPE = 1  # of what is exported, and how: a new number makes the files anew


def resize_matrix(size: int, wanted: int) -> Tensor:
    """What resizing does to one axis, (wanted, size): a resize is linear, so the images of unit vectors are all of it."""
    rows = F.interpolate(
        torch.eye(size)[None, None], (wanted, size), mode="bicubic", antialias=True, align_corners=True
    )
    return rows[0, 0]


@contextlib.contextmanager
def resizing_by_products() -> Iterator[None]:
    """Neither format has Stage B's resize (antialiased, corners half aligned), but both have products of matrices."""
    original = F.interpolate

    def interpolate(x: Tensor, size: Any, **_rest: Any) -> Tensor:
        height, width = (int(one) for one in size)
        return matrices[height] @ x @ matrices[width].transpose(0, 1)

    # Made beforehand: while a module is traced, even constants would be recorded.
    matrices = {wanted: resize_matrix(24, wanted) for wanted in (64, 32, 16)}  # of 24x24, in levels 1 to 3
    F.interpolate = interpolate
    try:
        yield
    finally:
        F.interpolate = original


def kept(setting: Setting, kind: str, name: str, make: Callable[[Setting, Path], None]) -> Path:
    """A file of a folder that `make` fills, in float32; made again when the weights, the tools or the recipe change."""
    stamp = (setting.home / "weights.fingerprint").read_bytes() + REQUIREMENTS.read_bytes() + str(RECIPE).encode()
    folder = setting.home / kind / setting.stage
    wanted = hashlib.sha256(stamp).hexdigest()
    if not (folder / "made-from").is_file() or (folder / "made-from").read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        make(dataclasses.replace(setting, dtype=torch.float32), folder / name)
        (folder / "made-from").write_text(wanted)
    return folder / name


def export_onnx(setting: Setting, file: Path) -> None:
    stage = setting.load_with_sdpa()
    with resizing_by_products():
        torch.onnx.export(stage.module, stage.inputs, file, dynamo=True, optimize=True, verbose=False)


def onnxruntime(setting: Setting) -> Step:
    import onnxruntime as ort

    file = kept(setting, "onnx", "model.onnx", export_onnx)
    options = ort.SessionOptions()
    options.intra_op_num_threads = setting.threads
    session = ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    stage = setting.load_inputs()
    fed = {one.name: tensor.numpy() for one, tensor in zip(session.get_inputs(), stage.inputs, strict=True)}
    return lambda: stage.finish(torch.from_numpy(session.run(None, fed)[0]))


def export_openvino(setting: Setting, file: Path) -> None:
    import openvino as ov

    stage = setting.load_with_sdpa()
    with resizing_by_products():
        model = ov.convert_model(stage.module, example_input=stage.inputs)
    model.reshape({port: list(tensor.shape) for port, tensor in zip(model.inputs, stage.inputs, strict=True)})
    ov.save_model(model, file, compress_to_fp16=False)


def openvino(setting: Setting, precision: str | None = None) -> Step:
    """`precision`: what it is asked to compute in; the setting's, unless it is named."""
    import openvino as ov

    file = kept(setting, "openvino", "model.xml", export_openvino)
    compiled = ov.Core().compile_model(
        file,
        "CPU",
        {
            "INFERENCE_NUM_THREADS": setting.threads,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": precision or ("f32" if setting.dtype == torch.float32 else "bf16"),
        },
    )
    stage = dataclasses.replace(setting, dtype=torch.float32).load_inputs()  # it narrows them itself
    request = compiled.create_infer_request()
    fed = [tensor.numpy() for tensor in stage.inputs]
    return lambda: stage.finish(torch.from_numpy(request.infer(fed)[0]))
