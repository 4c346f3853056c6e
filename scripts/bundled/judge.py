"""Holds a picture against the facts its caption states, and says of each kind of fact whether it came true."""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import permutations

import numpy as np

from .captions import Stated, StatedThing, all_facts
from .draw import draw
from .look import Seen, SeenThing, look
from .scene import Mix, sample_scene

_MOST_EXAMINED = 5  # of a crowd only the largest are matched with the stated things
_RELATION_REACH = 0.1  # of the frame, between centres


@dataclass(frozen=True)
class Verdict:
    """True or False per attribute; None where the caption states nothing of it."""

    count: bool
    color: bool
    shape: bool
    background: bool | None = None
    pattern: bool | None = None
    size: bool | None = None
    place: bool | None = None
    relation: bool | None = None

    @property
    def all_right(self) -> bool:
        return all(getattr(self, field.name) is not False for field in fields(self))


ATTRIBUTES = tuple(field.name for field in fields(Verdict))


def seen_relation(first: SeenThing, second: SeenThing) -> str | None:
    """How the first stands to the second; None when neither direction dominates."""
    dx, dy = second.x - first.x, second.y - first.y
    if max(abs(dx), abs(dy)) < _RELATION_REACH or abs(dx) == abs(dy):
        return None
    if abs(dx) > abs(dy):
        return "left of" if dx > 0 else "right of"
    return "above" if dy > 0 else "below"


def _every(stated: Sequence[str | None], seen: Sequence[str | None]) -> bool | None:
    """Whether all that is stated was seen; None when nothing is stated."""
    pairs = [(want, got) for want, got in zip(stated, seen, strict=True) if want is not None]
    return all(want == got for want, got in pairs) if pairs else None


def _compare_things(stated: Stated, chosen: Sequence[SeenThing | None]) -> dict[str, bool | None]:
    """The attributes of the things, when the stated ones are taken to be the chosen ones."""

    def column(name: str) -> bool | None:
        wanted = [getattr(thing, name) for thing in stated.things]
        return _every(wanted, [None if thing is None else getattr(thing, name) for thing in chosen])

    relation = None
    if stated.relation is not None:
        both_seen = chosen[0] is not None and chosen[1] is not None
        relation = both_seen and seen_relation(chosen[0], chosen[1]) == stated.relation
    return {name: column(name) for name in ("color", "shape", "size", "place")} | {"relation": relation}


def _agreement(stated: Sequence[StatedThing], chosen: Sequence[SeenThing | None]) -> float:
    """How well a pairing fits. Colour and shape are what names a thing; size and place only settle ties."""
    weights = {"color": 1.0, "shape": 1.0, "size": 0.1, "place": 0.1}
    return sum(
        weight
        for want, got in zip(stated, chosen, strict=True)
        for name, weight in weights.items()
        if got is not None and getattr(want, name) == getattr(got, name)
    )


def _pair(stated: Stated, seen: Seen) -> Sequence[SeenThing | None]:
    """The seen thing for each stated one that fits best, None where there are too few."""
    missing = [None] * max(0, len(stated.things) - len(seen.things))
    candidates = [*seen.things[:_MOST_EXAMINED], *missing]

    def fitness(chosen: Sequence[SeenThing | None]) -> float:
        relation = _compare_things(stated, chosen)["relation"]
        return _agreement(stated.things, chosen) + 0.1 * bool(relation)

    return max(permutations(candidates, len(stated.things)), key=fitness)


def judge_seen(seen: Seen, stated: Stated) -> Verdict:
    """As `judge`, of a picture that was already looked at."""
    background = pattern = None
    if stated.background is not None:
        wanted = stated.background
        background = seen.background == wanted.color
        pattern = (seen.pattern, seen.accent) == (wanted.pattern, wanted.accent)
    things = _compare_things(stated, _pair(stated, seen))
    return Verdict(count=len(seen.things) == len(stated.things), background=background, pattern=pattern, **things)


def judge(pixels: np.ndarray, stated: Stated) -> Verdict:
    """Examines uint8 pixels [height, width, 3] of any size for the stated facts, and for nothing else."""
    return judge_seen(look(pixels), stated)


def accuracies(verdicts: Sequence[Verdict]) -> dict[str, tuple[int, int]]:
    """Per attribute, and for `all_right`: how often right, out of how many captions that state it."""
    table = {}
    for name in (*ATTRIBUTES, "all_right"):
        values = [value for verdict in verdicts if (value := getattr(verdict, name)) is not None]
        table[name] = (sum(values), len(values))
    return table


def format_table(table: dict[str, tuple[int, int]]) -> str:
    rows = [f"{name:<12}{right / total:>8.2%}  ({right} of {total})" for name, (right, total) in table.items() if total]
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="Print how often the judge agrees with clean drawings.")
    parser.add_argument("--seed", type=int, default=0, help="seed of the scenes")
    parser.add_argument("--count", type=int, default=500, help="how many drawings to judge")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    scenes = [sample_scene(rng, Mix(), held_out=None) for _ in range(options.count)]
    print(format_table(accuracies([judge(draw(scene, rng=rng), all_facts(scene)) for scene in scenes])))


if __name__ == "__main__":
    main()
