"""The bundled model's training: what is taught, and that a killed run goes on where it was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from scripts.bundled.captions import Stated, StatedThing
from scripts.bundled.configs import CONFIGS
from scripts.bundled.curves import plot, read_log
from scripts.bundled.dataset import Drawings, derived, drawn, reduced_picture
from scripts.bundled.package import newest
from scripts.bundled.scene import COLORS, DRAWN_THINGS, PLACES, SHAPES, SIZES, Background, Mix
from scripts.bundled.semantic_encoder import SemanticEncoder
from scripts.bundled.train import inherit
from scripts.bundled.train_semantic import Reader, load_encoder, make_labels, reading_loss
from scripts.bundled.train_text import codes, codes_at_words
from scripts.bundled.train_vqgan import load_vqgan
from scripts.bundled.training import Plan, Trainer, trained
from scripts.bundled.unpackage import unpackage
from scripts.bundled.words import make_text_encoder
from scripts.networks import Decoder, Previewer, Prior

KINDS = (*SHAPES, *DRAWN_THINGS)
PLAN = Plan(steps=40, learning_rate=1e-2, warmup=4, checkpoint_every=5, log_every=5)
ROOT = Path(__file__).parents[2]


def train_toy(folder: Path, pause: float = 0.0) -> Trainer:
    """Learns to multiply by three, with dropout: every step needs its own seed to be repeatable."""
    torch.manual_seed(0)
    modules = nn.ModuleDict({"net": nn.Sequential(nn.Linear(4, 16), nn.GELU(), nn.Linear(16, 4))})
    trainer = Trainer("toy", folder, modules, PLAN, seed=1, device=torch.device("cpu"))

    def loss(step: int, generator: torch.Generator) -> tuple[torch.Tensor, dict[str, float]]:
        time.sleep(pause)
        x = torch.randn(8, 4, generator=generator)
        return (modules["net"](x) - 3 * x).float().square().mean(), {}

    trainer.run(loss)
    return trainer


class TestTrainer:
    def test_goes_on_after_a_kill_as_if_nothing_had_happened(self, tmp_path: Path):
        whole = train_toy(tmp_path / "whole")
        program = (
            "from pathlib import Path; import sys; from scripts.tests.test_bundled_training import train_toy;"
            "train_toy(Path(sys.argv[1]), pause=0.05)"
        )
        killed = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "killed")], cwd=ROOT)
        log = tmp_path / "killed" / "toy.jsonl"
        until = time.time() + 60
        while time.time() < until and (not log.exists() or len(log.read_text().splitlines()) < 3):
            time.sleep(0.01)
        os.kill(killed.pid, signal.SIGKILL)
        assert killed.wait() == -signal.SIGKILL
        reached = torch.load(tmp_path / "killed" / "toy.pt", weights_only=True)["step"]
        assert 5 <= reached < PLAN.steps
        resumed = train_toy(tmp_path / "killed")
        assert resumed.step == PLAN.steps
        for name, value in whole.modules.state_dict().items():
            assert torch.equal(resumed.modules.state_dict()[name], value), name
        assert len(read_log(log)) == PLAN.steps / PLAN.log_every

    def test_keeps_the_average_of_each_module(self, tmp_path: Path):
        trainer = train_toy(tmp_path)
        kept = trained(tmp_path / "toy.pt", "net")
        assert kept.keys() == trainer.average["net"].state_dict().keys()
        assert torch.equal(kept["0.weight"], trainer.average["net"][0].weight)
        assert not torch.equal(kept["0.weight"], trainer.modules["net"][0].weight)

    def test_draws_its_curves(self, tmp_path: Path):
        assert plot(tmp_path, ("toy", "other")) is None
        train_toy(tmp_path)
        one = plot(tmp_path, ("toy", "other"))
        (tmp_path / "other.jsonl").write_text("".join(json.dumps({"step": n, "loss": 1 / n}) + "\n" for n in (1, 2, 3)))
        two = plot(tmp_path, ("toy", "other"))
        assert two.height == 2 * one.height
        blue = (np.asarray(two) == (32, 84, 216)).all(-1)
        assert blue[: one.height].any() and blue[one.height :].any()


class TestDataset:
    def test_is_the_same_drawn_again_and_by_any_number_of_workers(self, tmp_path: Path):
        drawings = Drawings(12, 5, Mix())
        one = drawn(tmp_path / "one.npy", drawings, reduced_picture, (96, 96, 3), 1)
        two = drawn(tmp_path / "two.npy", drawings, reduced_picture, (96, 96, 3), 2)
        assert np.array_equal(one, two)
        assert not np.array_equal(
            one, drawn(tmp_path / "three.npy", replace(drawings, seed=6), reduced_picture, (96, 96, 3), 1)
        )

    def test_derives_every_row_once(self, tmp_path: Path):
        seen: list[int] = []

        def make(indices: list[int]) -> np.ndarray:
            seen.extend(indices)
            return np.array(indices, np.float32)[:, None] * 2

        rows = derived(tmp_path / "rows.npy", 21, (1,), np.float32, make)
        assert rows[:, 0].tolist() == [2.0 * index for index in range(21)]
        assert np.array_equal(derived(tmp_path / "rows.npy", 21, (1,), np.float32, make), rows)
        assert seen == list(range(21))


class TestSemanticLabels:
    drawings = Drawings(60, 7, Mix())
    scenes = drawings.scenes()
    labels = make_labels(drawings, scenes)

    def test_name_each_thing_where_it_is(self):
        for index, scene in enumerate(self.scenes):
            placed = self.drawings.placed(index)
            assert len(placed) == len(scene.things)
            for one in placed:
                row, column = int(one.y * 6), int(one.x * 6)
                assert self.labels.kind[index, row, column] == KINDS.index(one.thing.shape)
                assert self.labels.color[index, row, column] == COLORS.index(one.thing.color)
                x, y, radius = self.labels.offset[index, :, row, column].astype(float) / 6
                assert (x + (column + 0.5) / 6, y + (row + 0.5) / 6) == pytest.approx((one.x, one.y), abs=1e-3)
                assert radius == pytest.approx(one.radius, abs=1e-3)

    def test_leave_most_of_the_background_empty(self):
        empty = (self.labels.kind == 255).mean()
        assert 0.3 < empty < 0.9

    def test_are_what_the_loss_wants(self):
        torch.manual_seed(0)
        wanted = {
            name: torch.from_numpy(getattr(self.labels, name)).long()
            for name in ("kind", "color", "ground", "pattern", "accent")
        }
        wanted["offset"] = torch.from_numpy(self.labels.offset).float()
        image = SemanticEncoder()(torch.rand(60, 3, 96, 96))
        assert image.shape == (60, 16, 6, 6)
        assert image.abs().max() < 1
        loss, _ = reading_loss(Reader()(image), wanted)
        there = wanted["kind"] != 255
        perfect = [
            10 * nn.functional.one_hot(torch.where(there, wanted["kind"], 14), 15).permute(0, 3, 1, 2).float(),
            10 * nn.functional.one_hot(torch.where(there, wanted["color"], 0), 10).permute(0, 3, 1, 2).float(),
            wanted["offset"],
            *(
                10 * nn.functional.one_hot(codes, size).float()[:, :, None, None].expand(-1, -1, 6, 6)
                for codes, size in (
                    (wanted["ground"], 10),
                    (wanted["pattern"], 3),
                    (wanted["accent"] % 255, 10),
                )
            ),
        ]
        best, right = reading_loss(perfect, wanted)
        assert right == 1
        assert best < 0.01 < loss


class TestTextCodes:
    def test_say_what_the_caption_says(self):
        things = (StatedThing("star", "red", "large"), StatedThing("cat", "grey", None))
        read = codes(Stated(things, Background("blue"), "above"))
        star = [KINDS.index("star"), COLORS.index("red"), SIZES.index("large"), PLACES.index("top")]
        cat = [KINDS.index("cat"), COLORS.index("grey"), len(SIZES), PLACES.index("bottom")]
        nothing = [len(KINDS), len(COLORS), len(SIZES), len(PLACES)]
        assert read == [*star, *cat, *nothing, COLORS.index("blue"), 0, len(COLORS)]

    def test_leave_open_what_is_unsaid(self):
        read = codes(Stated((StatedThing("ring", "pink", None, "left"),)))
        assert read[3] == PLACES.index("left")
        assert read[-3:] == [len(COLORS), 3, len(COLORS)]

    def test_say_at_each_word_what_is_known_by_then(self):
        star, cat = StatedThing("star", "red", "large"), StatedThing("cat", "grey", None)
        of_star = [KINDS.index("star"), COLORS.index("red"), SIZES.index("large")]
        of_cat = [KINDS.index("cat"), COLORS.index("grey"), len(SIZES)]
        top, bottom, unsaid = PLACES.index("top"), PLACES.index("bottom"), len(PLACES)

        # "a large red star above a grey cat": the star's place is said after it, the cat's before it.
        related = codes_at_words(Stated((star, cat), None, "above"), [3, 7], [4])
        assert related == {3: [*of_star, unsaid], 4: [*of_star, top], 7: [*of_cat, bottom]}

        # "a large red star, and a grey cat at the bottom"
        one_placed = codes_at_words(Stated((star, replace(cat, place="bottom"))), [3, 8], [11])
        assert one_placed == {3: [*of_star, unsaid], 8: [*of_cat, unsaid], 11: [*of_cat, bottom]}

        # "a red robot above a grey cat": no noun of the first thing is known.
        unnamed = codes_at_words(Stated((replace(star, shape=None), cat), None, "above"), [6], [3])
        assert unnamed == {6: [*of_cat, bottom], 3: [len(KINDS), *of_star[1:], top]}


class TestUnpackage:
    def test_gives_what_a_training_begins_with(self, tmp_path: Path):
        unpackage(ROOT / "models" / "shapes", ROOT / "models" / "shapes-prior", tmp_path)
        Prior(**CONFIGS.prior).load_state_dict(trained(tmp_path / "prior.pt", "prior"))
        Decoder(**CONFIGS.decoder).load_state_dict(trained(tmp_path / "decoder.pt", "decoder"))
        for part, config in (("prior", CONFIGS.prior_text_encoder), ("decoder", CONFIGS.text_encoder)):
            make_text_encoder(config, tmp_path / "tokenizer").load_state_dict(trained(tmp_path / f"{part}.pt", "text"))
        device = torch.device("cpu")
        inherit(tmp_path, tmp_path / "next")
        previewer = Previewer(**CONFIGS.previewer)
        previewer.load_state_dict(trained(tmp_path / "next" / "semantic.pt", "rebuilder"))
        small = previewer.decode(3 * torch.randn(2, 16, 6, 6))
        assert small.shape == (2, 3, 48, 48)
        assert small.min() == 0 and small.max() == 1
        pictures = torch.rand(1, 3, 96, 96)
        assert load_encoder(tmp_path / "next", device)(pictures).shape == (1, 16, 6, 6)
        (tmp_path / "next" / "prior.pt").touch()
        assert newest(tmp_path / "next", tmp_path, "prior") == tmp_path / "next" / "prior.pt"
        assert newest(tmp_path / "next", tmp_path, "decoder") == tmp_path / "decoder.pt"
        assert load_vqgan(tmp_path / "next", device).encode(torch.rand(1, 3, 64, 64)).shape == (1, 4, 8, 8)
