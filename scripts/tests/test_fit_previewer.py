"""A previewer that is fitted to a checkpoint: from pairs that have an answer, and from a small checkpoint of random weights."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from scripts.fit_previewer import CONFIG, error, fit, paint_pairs, prompts_of, read, small, split, write
from scripts.fixture_checkpoints import write_small


@pytest.fixture(scope="module")
def small_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_small(tmp_path_factory.mktemp("fixtures"))


def test_learns_what_can_be_learnt() -> None:
    generator = torch.Generator().manual_seed(1)
    embeddings = 42 * torch.randn(48, 16, 6, 6, generator=generator)
    colours = torch.sigmoid(torch.einsum("oc,nchw->nohw", torch.randn(3, 16, generator=generator), embeddings / 42))
    pictures = F.interpolate(colours, scale_factor=8)
    previewer = fit(embeddings[:40], pictures[:40], steps=150)
    learnt = error(previewer, embeddings[40:], pictures[40:])
    flat = 255 * (pictures[40:] - pictures[:40].mean(dim=(0, 2, 3)).view(1, 3, 1, 1)).abs().mean().item()
    assert learnt < flat / 2


def test_writes_what_it_reads(tmp_path: Path) -> None:
    previewer = fit(torch.randn(2, 16, 3, 3), torch.rand(2, 3, 24, 24), steps=2)
    write(previewer, tmp_path / "previewer")
    config = json.loads((tmp_path / "previewer" / "config.json").read_text())
    assert config["_class_name"] == "WuerstchenPreviewer"
    assert {name: config[name] for name in CONFIG} == CONFIG
    embeddings = torch.randn(1, 16, 3, 4)
    assert torch.equal(read(tmp_path / "previewer").decode(embeddings), previewer.decode(embeddings))


def test_paints_its_pairs_with_the_checkpoint(small_checkpoint: tuple[Path, Path]) -> None:
    decoder, prior = small_checkpoint
    options = argparse.Namespace(
        decoder=decoder, prior=prior, prompts=None, pairs=2, size=256, prior_steps=1, decoder_steps=1,
        guidance=4.0, dtype="float32", device="cpu", seed=3,
    )  # fmt: skip
    pairs = list(paint_pairs(options))
    assert [tuple(embeddings.shape) for embeddings, _ in pairs] == [(1, 16, 6, 6)] * 2
    assert [tuple(picture.shape) for _, picture in pairs] == [(1, 3, 48, 48)] * 2
    assert not torch.equal(pairs[0][0], pairs[1][0])


def test_makes_pictures_as_small_as_previews() -> None:
    assert small(torch.rand(1, 3, 512, 384), torch.rand(1, 16, 12, 9)).shape == (1, 3, 96, 72)


def test_takes_prompts_from_a_file_or_its_own(tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("a\n\n b \n")
    assert sorted(prompts_of(tmp_path / "prompts.txt", 4, seed=0)) == ["a", "a", "b", "b"]
    assert len(set(prompts_of(None, 200, seed=0))) == 200
    (tmp_path / "prompts.txt").write_text("\n")
    with pytest.raises(ValueError, match="one a line"):
        prompts_of(tmp_path / "prompts.txt", 4, seed=0)


def test_keeps_some_pairs_from_the_fit() -> None:
    assert split(400) == 360
    assert split(2) == 1
    with pytest.raises(ValueError, match="at least 2"):
        split(1)
