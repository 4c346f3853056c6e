"""The bundled model's data: scenes, captions, drawings and the judge."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage

from scripts.bundled.captions import (
    GRAMMAR,
    LONGEST,
    WORDS,
    Caption,
    Style,
    all_facts,
    caption,
    length,
    one_object_captions,
    two_object_captions,
)
from scripts.bundled.draw import draw, place_things
from scripts.bundled.judge import Verdict, accuracies, judge, judge_seen
from scripts.bundled.look import lab, look
from scripts.bundled.scene import (
    COLORS,
    DRAWN_THINGS,
    PALETTE,
    RELATIONS,
    SHAPES,
    Background,
    Mix,
    Scene,
    Thing,
    is_held_out,
    sample_scene,
)
from scripts.bundled.strays import with_strays

FULL = Mix()
FUNCTION_WORDS = {"a", "an", "and", "at", "of", "with"}
ATTRIBUTES_OF_THINGS = ("shape", "color", "size", "place")


def scenes(count: int, seed: int, mix: Mix = FULL, held_out: bool | None = None) -> list[Scene]:
    rng = random.Random(seed)
    return [sample_scene(rng, mix, held_out) for _ in range(count)]


def soften(picture: np.ndarray, noise: np.random.Generator) -> np.ndarray:
    """Blur and noise as bad as a lossy decoder's."""
    blurred = ndimage.gaussian_filter(picture.astype(np.float64), (1.5, 1.5, 0))
    return np.clip(blurred + noise.normal(0, 8, picture.shape), 0, 255).astype(np.uint8)


class TestScenes:
    def test_are_the_same_for_the_same_seed(self):
        assert scenes(200, seed=3) == scenes(200, seed=3)
        assert scenes(200, seed=3) != scenes(200, seed=4)

    def test_use_the_whole_grammar(self):
        sampled = scenes(3000, seed=0)
        assert {thing.shape for scene in sampled for thing in scene.things} == {*SHAPES, *DRAWN_THINGS}
        assert {thing.color for scene in sampled for thing in scene.things} == set(COLORS)
        assert {len(scene.things) for scene in sampled} == {1, 2, 3}
        assert {scene.relation for scene in sampled} == {*RELATIONS, None}
        assert all((scene.relation is not None) == (len(scene.things) == 2) for scene in sampled)

    def test_never_paint_a_thing_in_its_background_color(self):
        for scene in scenes(2000, seed=1):
            assert scene.background.color != scene.background.accent
            assert not any(thing.color in scene.background.colors for thing in scene.things)

    def test_of_the_first_lesson_are_simple(self):
        sampled = scenes(1000, seed=2, mix=Mix.simple())
        assert {scene.background.pattern for scene in sampled} == {"plain"}
        assert Counter(len(scene.things) for scene in sampled)[1] == pytest.approx(850, abs=50)

    def test_of_training_and_held_out_share_no_combination(self):
        def combinations(held_out: bool) -> set[tuple[str, str, str]]:
            sampled = scenes(4000, seed=5, mix=Mix(counts=(1, 0, 0)), held_out=held_out)
            return {(s.background.color, t.shape, t.color) for s in sampled for t in s.things}

        training, unseen = combinations(False), combinations(True)
        assert training and unseen and not training & unseen

    def test_hold_out_about_five_percent_of_combinations(self):
        held_out = [
            is_held_out(Scene(Background(ground), (Thing(shape, color, "large", "center"),)))
            for ground in COLORS
            for shape in (*SHAPES, *DRAWN_THINGS)
            for color in COLORS
            if color != ground
        ]
        assert 0.03 < sum(held_out) / len(held_out) < 0.07

    def test_never_overlap_nor_touch_the_frame(self):
        rng = random.Random(0)
        for scene in scenes(5000, seed=6):
            placed = place_things(scene, rng)
            for index, one in enumerate(placed):
                assert min(one.x, one.y, 1 - one.x, 1 - one.y) - one.radius > 0.02
                for other in placed[:index]:
                    apart = max(abs(one.x - other.x), abs(one.y - other.y))
                    assert apart - one.radius - other.radius > 0.015


class TestCaptions:
    def test_state_only_true_facts(self):
        rng = random.Random(0)
        for scene in scenes(2000, seed=7):
            stated = caption(scene, rng).stated
            assert stated.background in (None, scene.background)
            assert len(stated.things) == len(scene.things)
            for want in stated.things:
                assert any(
                    all(getattr(want, name) in (None, getattr(thing, name)) for name in ATTRIBUTES_OF_THINGS)
                    for thing in scene.things
                )

    def test_say_every_stated_fact_and_no_other_color(self):
        rng = random.Random(1)
        for scene in scenes(2000, seed=8):
            text, stated = (said := caption(scene, rng, Style(together=0))).text, said.stated
            words = text.replace(",", "").replace("gray", "grey").split()
            colors = [thing.color for thing in stated.things if thing.color]
            if stated.background:
                colors += [color for color in (stated.background.color, stated.background.accent) if color]
            assert sorted(word for word in words if word in COLORS) == sorted(colors), text
            shapes = [thing.shape for thing in stated.things if thing.shape]
            assert sorted(word for word in words if word in (*SHAPES, *DRAWN_THINGS)) == sorted(shapes), text
            assert ("background" in words) == (stated.background is not None), text

    def test_turn_a_relation_round_with_its_things(self):
        scene = Scene(
            Background("white"),
            (Thing("circle", "red", "small", "left"), Thing("star", "blue", "small", "right")),
            "left of",
        )
        picture, rng = draw(scene), random.Random(0)
        said = [caption(scene, rng, GRAMMAR) for _ in range(60)]
        assert {one.stated.relation for one in said} == {"left of", "right of", None}
        assert all(judge(picture, one.stated).all_right for one in said)

    def test_have_right_articles_and_fit_the_text_encoder(self):
        rng = random.Random(2)
        for scene in scenes(3000, seed=9):
            text = caption(scene, rng).text
            words = text.replace(",", "").split()
            for article, word in pairwise(words):
                if article in ("a", "an"):
                    assert (article == "an") == (word[0] in "aeiou"), text
            assert length(text) <= LONGEST

    @pytest.mark.parametrize(("captions", "things"), [(one_object_captions, 1), (two_object_captions, 2)])
    def test_of_the_benchmark_are_fixed_and_complete(self, captions, things: int):
        said: list[Caption] = captions(50, 0, True)
        assert said == captions(50, 0, True) != captions(50, 0, False)
        assert all(len(one.stated.things) == things and one.stated.background for one in said)

    def test_leave_out_what_people_leave_out(self):
        rng = random.Random(3)
        things = [thing for scene in scenes(2000, seed=11) for thing in caption(scene, rng).stated.things]
        assert 0.1 < sum(thing.color is None for thing in things) / len(things) < 0.25
        assert 0.01 < sum(thing.shape is None for thing in things) / len(things) < 0.06

    def test_say_alike_things_together(self):
        things = (Thing("star", "red", "small", "left"), Thing("star", "blue", "small", "right"))
        rng, style = random.Random(0), replace(GRAMMAR, together=1.0, background=0.0)
        for second, words in ((things[1], "two stars"), (replace(things[1], color="red"), "two red stars")):
            scene = Scene(Background("white"), (things[0], second), "left of")
            said = [caption(scene, rng, style) for _ in range(20)]
            assert all(words in one.text and "is two" not in one.text for one in said)
            assert all(judge(draw(scene), one.stated).all_right for one in said)

    def test_keep_what_they_state_when_words_stray_in(self):
        scene = Scene(Background("white"), (Thing("star", "red", "small", "left"),))
        rng, changed = random.Random(0), 0

        def known(text: str) -> list[str]:
            return [word for word in text.replace(",", "").split() if word in WORDS - FUNCTION_WORDS]

        for _ in range(200):
            text = caption(scene, rng, GRAMMAR).text
            strayed = with_strays(text, rng)
            assert known(strayed) == known(text)
            changed += strayed != text
        assert changed > 120


class TestDrawings:
    def test_are_the_same_for_the_same_seed(self):
        scene = scenes(1, seed=0)[0]
        assert np.array_equal(draw(scene, rng=random.Random(1)), draw(scene, rng=random.Random(1)))
        assert not np.array_equal(draw(scene, rng=random.Random(1)), draw(scene, rng=random.Random(2)))

    @pytest.mark.parametrize("size", [64, 128, 256, 512])
    def test_are_rgb_bytes_of_the_asked_size(self, size: int):
        picture = draw(scenes(1, seed=0)[0], size)
        assert picture.shape == (size, size, 3) and picture.dtype == np.uint8

    def test_have_colors_that_stay_apart(self):
        palette = lab(np.array([PALETTE[color] for color in COLORS], dtype=np.float64))
        distances = np.linalg.norm(palette[:, None] - palette[None], axis=-1)
        assert distances[~np.eye(len(COLORS), dtype=bool)].min() > 28


@cache
def clean_drawings() -> list[tuple[Scene, np.ndarray]]:
    rng = random.Random(0)
    return [(scene, draw(scene, rng=rng)) for scene in scenes(110, seed=10)]


def check_accuracies(verdicts: list[Verdict], least: float) -> None:
    for name, (right, total) in accuracies(verdicts).items():
        assert total > 0, f"nothing states {name}"
        assert right / total >= least, f"{name}: {right} of {total}"


class TestJudge:
    def test_agrees_with_clean_drawings(self):
        check_accuracies([judge(picture, all_facts(scene)) for scene, picture in clean_drawings()], 0.99)

    def test_sees_through_blur_and_noise(self):
        noise = np.random.default_rng(0)
        softened = [(scene, soften(picture, noise)) for scene, picture in clean_drawings()]
        check_accuracies([judge(picture, all_facts(scene)) for scene, picture in softened], 0.97)

    @pytest.mark.parametrize("shape", [*SHAPES, *DRAWN_THINGS])
    @pytest.mark.parametrize("size", ["small", "large"])
    def test_names_each_shape(self, shape: str, size: str):
        seen = look(draw(Scene(Background("grey"), (Thing(shape, "orange", size, "top"),))))
        assert [(thing.shape, thing.size, thing.place) for thing in seen.things] == [(shape, size, "top")]

    def test_knows_a_sun_whose_rays_are_short_from_a_circle(self):
        for shape in ("sun", "circle"):
            for size in ("small", "large"):
                scene = Scene(Background("white"), (Thing(shape, "red", size, "center"),))
                short = ndimage.gaussian_filter(draw(scene), (3, 3, 0))
                assert judge(short, all_facts(scene)).shape, f"{size} {shape}"

    def test_denies_what_is_false(self):
        scene = Scene(
            Background("yellow"),
            (Thing("fish", "blue", "large", "left"), Thing("ring", "red", "small", "right")),
            "left of",
        )
        seen, facts = look(draw(scene)), all_facts(scene)
        fish, ring = facts.things
        lies = {
            "color": replace(facts, things=(replace(fish, color="green"), ring)),
            "shape": replace(facts, things=(replace(fish, shape="heart"), ring)),
            "size": replace(facts, things=(replace(fish, size="small"), ring)),
            "place": replace(facts, things=(replace(fish, place="center"), ring)),
            "relation": replace(facts, relation="above"),
            "background": replace(facts, background=Background("pink")),
            "pattern": replace(facts, background=Background("yellow", "dotted", "black")),
            "count": replace(facts, things=(fish,), relation=None),
        }
        assert judge_seen(seen, facts).all_right
        for attribute, lie in lies.items():
            verdict = judge_seen(seen, lie)
            assert getattr(verdict, attribute) is False and not verdict.all_right, attribute

    def test_swapped_colors_do_not_pass(self):
        things = (Thing("circle", "red", "small", "left"), Thing("star", "blue", "small", "right"))
        swapped = (replace(things[0], color="blue"), replace(things[1], color="red"))
        picture = draw(Scene(Background("white"), swapped, "left of"))
        assert not judge(picture, all_facts(Scene(Background("white"), things, "left of"))).all_right

    def test_survives_pictures_of_nothing(self):
        facts = all_facts(scenes(1, seed=0)[0])
        noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
        for picture in (np.zeros((64, 64, 3), np.uint8), noise):
            assert not judge(picture, facts).all_right
        with pytest.raises(ValueError, match="Expected pixels to be uint8"):
            look(np.zeros((64, 64, 3), np.float32))
