"""The committed graphs are what the code exports, and export refuses a graph that computes something else."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from scripts.configurations import Component
from scripts.export import check
from scripts.graph import script, serialise, strip
from scripts.random_checkpoint import SMALL

ROOT = Path(__file__).parents[2]
GRAPHS = ROOT / "graphs"
MODELS = {"v2": "v2", "shapes": "models/shapes"}  # name -> what the export is told


def manifest(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_text())


def test_there_are_committed_graphs() -> None:
    assert {path.parent.name for path in GRAPHS.glob("*/manifest.json")} == set(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_exporting_again_gives_the_committed_graphs(name: str, tmp_path: Path) -> None:
    # In a process of its own: TorchScript numbers the types that it has met.
    command = [sys.executable, "-W", "ignore", "-m", "scripts.export", MODELS[name]]
    subprocess.run([*command, "--no-check", "--out", str(tmp_path)], cwd=ROOT, check=True)
    exported = manifest(tmp_path / name)
    committed = manifest(GRAPHS / name)
    if exported["torch"] != committed["torch"]:
        pytest.skip(f"the committed graphs are of torch {committed['torch']}, this is {exported['torch']}")
    assert exported == committed
    for entry in committed["graphs"]:
        data = (GRAPHS / name / entry["file"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == entry["sha256"]
        assert len(data) < 1_000_000


@pytest.mark.parametrize("one", SMALL, ids=lambda one: one.name)
def test_a_graph_equals_its_eager_module(one: Component) -> None:
    scripted = script(one)
    strip(scripted)
    data = serialise(scripted)
    assert len(data) < 150_000
    check(one, data)


def test_a_graph_names_no_path() -> None:
    scripted = script(SMALL[1])
    strip(scripted)
    assert str(ROOT).encode() not in serialise(scripted)


def test_check_refuses_a_graph_that_computes_something_else() -> None:
    one = SMALL[1]
    module = one.build()
    module.cond_mapper[1].negative_slope = 0.3
    with torch.device("cpu"):
        scripted = torch.jit.script(module)
    strip(scripted)
    with pytest.raises(ValueError, match="to match the eager module"):
        check(one, serialise(scripted))
