"""Who stands where: the words that say it, the cells it covers, and what Stage C is taught of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from scripts.bundled.captions import Stated, StatedThing
from scripts.bundled.configs import CONFIGS
from scripts.bundled.dataset import Drawings
from scripts.bundled.grounding import NOWHERE, PlacedCaptions, mistaken, step_attending
from scripts.bundled.scene import PLACES, Mix
from scripts.bundled.train import inherit
from scripts.bundled.train_decoder import draw_ratios
from scripts.bundled.train_prior import layout_loss, noise_loss, overshoot, train_prior, unsteady
from scripts.bundled.training import trained
from scripts.bundled.unpackage import unpackage
from scripts.networks import Prior

ROOT = Path(__file__).parents[2]
LEFT, RIGHT = PLACES.index("left"), PLACES.index("right")


@pytest.fixture(scope="module")
def placed() -> PlacedCaptions:
    drawings = Drawings(60, 3, Mix())
    return PlacedCaptions(ROOT / "models" / "shapes" / "tokenizer", drawings, drawings.scenes())


class TestPlacedCaptions:
    def test_are_of_one_or_two_things_and_say_where_each_is(self, placed: PlacedCaptions):
        assert len(placed.indices) > 10
        ids, mask, places = placed(placed.indices, 1)
        assert ids.shape == mask.shape == places.shape
        for index, words in zip(placed.indices, places.tolist(), strict=True):
            things = placed.scenes[index].things
            assert len(things) in (1, 2)
            assert {PLACES[place] for place in words if place != NOWHERE} == {thing.place for thing in things}

    def test_mark_the_words_after_which_a_thing_and_its_place_are_known(self, placed: PlacedCaptions):
        text = "a red star left of a blue ring"
        ids = [0, *placed.tokenizer.encode(text, add_special_tokens=False).ids]
        stated = Stated((StatedThing("star", "red"), StatedThing("ring", "blue")), None, "left of")
        known = placed.words.known(ids, stated)
        named = {text.split()[position - 1]: codes[-1] for position, codes in known.items()}
        assert named == {"star": len(PLACES), "left": LEFT, "ring": RIGHT}

    def test_know_the_cells_of_each_thing(self, placed: PlacedCaptions):
        cells = placed.cells(placed.indices).view(-1, 6, 6)
        for index, row in zip(placed.indices, cells, strict=True):
            for one in placed.drawings.placed(index):
                assert PLACES[row[int(one.y * 6), int(one.x * 6)]] == one.thing.place

    def test_are_the_same_for_the_same_seed(self, placed: PlacedCaptions):
        some = placed.indices[:4]
        assert all(torch.equal(one, two) for one, two in zip(placed(some, 7), placed(some, 7), strict=True))


class TestAttention:
    def test_is_watched_without_changing_the_step(self):
        prior = Prior(**CONFIGS.prior).eval()
        x, modulation = torch.randn(2, 16, 6, 6), prior.modulate(torch.tensor([1.0, 0.3]))
        condition = prior.condition(torch.randn(2, 32, 128))
        predicted, divisor, logits = step_attending(prior, x, modulation, condition)
        assert torch.equal(predicted, prior.step(x, modulation, condition))
        assert logits.shape == (2, 4, 5, 36, 32)
        assert divisor.shape == x.shape

    def test_is_unsteady_where_it_divides_by_too_little(self):
        ratios = torch.tensor([0.5, 0.5])  # the noise's deviation is about 0.7
        divisor = torch.full((2, 16, 6, 6), 0.4)
        assert unsteady(divisor, ratios).item() == 0
        divisor[0, 0, 0, 0] = 1e-5
        assert unsteady(divisor, ratios).item() == pytest.approx(0.5, abs=1e-3)

    def test_is_mistaken_when_a_cell_asks_for_the_other_thing(self):
        cells = torch.full((1, 36), NOWHERE)
        cells[0, 0], cells[0, 1] = LEFT, RIGHT
        words = torch.full((1, 32), NOWHERE)
        words[0, 3], words[0, 7] = LEFT, RIGHT
        logits = torch.zeros(1, 2, 5, 36, 32)
        assert mistaken(logits, cells, words).item() == pytest.approx(np.log(2))
        logits[..., 0, 3] = logits[..., 1, 7] = 20
        logits[..., 5] = 50  # a word that carries no placed thing may be asked as well
        assert mistaken(logits, cells, words).item() == pytest.approx(0, abs=1e-4)
        assert mistaken(logits, cells.where(cells < 0, LEFT + RIGHT - cells), words).item() == pytest.approx(20)

    def test_of_pictures_without_places_teaches_nothing(self):
        nothing = torch.full((1, 36), NOWHERE), torch.full((1, 32), NOWHERE)
        assert mistaken(torch.randn(1, 2, 5, 36, 32), *nothing).item() == 0


class TestLosses:
    def test_tell_a_wrong_layout_only_by_the_clean_embeddings(self):
        """Near pure noise a mistake of one deviation in the clean embeddings is a tiny one in the noise."""
        ratios = torch.tensor([0.98, 0.8])
        share = torch.tensor([9.9e-4, 0.0955])
        error = share / (1 - share)  # of the noise, when that of the clean embeddings is one
        assert noise_loss(error, ratios)[0] < 0.02
        assert layout_loss(error, ratios).tolist() == pytest.approx([2 / 3, 2 / 3], rel=0.05)

    def test_see_embeddings_as_guidance_exaggerates_them(self):
        clean = torch.randn(50, 16, 6, 6)
        ratios = overshoot(clean, torch.Generator().manual_seed(0)) / clean
        factors = ratios.flatten(1)
        assert torch.allclose(factors, factors[:, :1].expand_as(factors), rtol=1e-4)
        assert 1 <= factors.min() < 1.2 and 2.8 < factors.max() <= 3.001

    def test_are_bounded_where_the_network_divides_by_almost_nothing(self):
        wild, ratios = torch.tensor([1e6]), torch.tensor([0.9])
        assert noise_loss(wild, ratios) <= 50
        assert layout_loss(wild, ratios) <= 2


class TestGoingOn:
    """From released weights: `unpackage`, then `train --from`."""

    def test_teaches_stage_c_layouts_and_leaves_its_text_encoder_alone(self, tmp_path: Path):
        start, folder = tmp_path / "released", tmp_path / "next"
        unpackage(ROOT / "models" / "shapes", ROOT / "models" / "shapes-prior", start)
        inherit(start, folder)
        drawings = Drawings(20, 3, Mix())
        embeddings = torch.randn(20, 16, 6, 6).numpy()
        cpu = torch.device("cpu")
        assert train_prior(
            folder, embeddings, drawings, drawings.scenes(), cpu, steps=2, start=start, batch=4, layout=0.5
        )
        before, after = (trained(at / "prior.pt", "text") for at in (start, folder))
        assert all(torch.equal(before[name], value) for name, value in after.items())
        before, after = (trained(at / "prior.pt", "prior") for at in (start, folder))
        queries = "blocks.23.attention.to_q.weight"
        assert not torch.equal(before[queries], after[queries])

    def test_skips_stage_bs_first_lesson(self):
        generator = torch.Generator().manual_seed(0)
        assert draw_ratios(True, 200, generator).max() <= 0.97
        assert draw_ratios(False, 200, generator).max() > 0.99
