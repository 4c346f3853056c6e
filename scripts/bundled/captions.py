"""Says a scene in words, and which facts the words state: what a caption leaves unsaid is free."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from .scene import DRAWN_THINGS, PALETTE, SHAPES, Background, Mix, Scene, Thing, sample_scene
from .strays import unknown_noun, with_strays

# The bundled text encoder reads 32 tokens, start and end among them.
LONGEST = 30


@dataclass(frozen=True)
class StatedThing:
    """What the text says of one thing: nearly always shape and colour, sometimes size and place."""

    shape: str | None = None
    color: str | None = None
    size: str | None = None
    place: str | None = None


@dataclass(frozen=True)
class Stated:
    """The facts a caption states. A caption names every thing, so their number is always stated; a background
    called just "blue" is a plain one; `relation` is that of the first thing to the second. `together`: things that are
    alike in all that is said of them, as "two stars"."""

    things: tuple[StatedThing, ...]
    background: Background | None = None
    relation: str | None = None
    together: bool = False


@dataclass(frozen=True)
class Caption:
    text: str
    stated: Stated


@dataclass(frozen=True)
class Style:
    """How often a caption states what it may leave unsaid, how often it says alike things together, and how often
    it has words that mean nothing. The defaults are what training reads: whoever types a prompt leaves out more, and
    says more, than the grammar asks for."""

    background: float = 0.85
    size: float = 0.4
    place: float = 0.4
    relation: float = 0.5
    color: float = 0.85
    shape: float = 0.97
    together: float = 0.5
    stray: float = 0.2


GRAMMAR = Style(color=1.0, shape=1.0, together=0.0, stray=0.0)
FULL_FACTS = replace(GRAMMAR, background=1.0, size=0.35, place=0.35)

_SIZE_WORDS = {"small": ("small", "small", "little"), "large": ("large", "large", "big")}
_PLACE_WORDS = {
    "center": ("in the center", "in the middle", "at the center"),
    "left": ("on the left", "at the left", "on the left side"),
    "right": ("on the right", "at the right", "on the right side"),
    "top": ("at the top", "at the top", "on the top"),
    "bottom": ("at the bottom", "at the bottom", "on the bottom"),
}
_RELATION_WORDS = {
    "left of": ("to the left of", "left of"),
    "right of": ("to the right of", "right of"),
    "above": ("above", "over"),
    "below": ("below", "under"),
}
_INVERSE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
_LEADS = ("", "", "", "", "", "", "a picture of ", "a drawing of ", "an image of ", "there is ")
_NUMBERS = {2: "two", 3: "three"}
_PLURALS = {"fish": "fish", "cross": "crosses"}
_OTHER_WORDS = "a an and on in front of background plain with stripes striped dots polka gray"


def _words_of(table: dict[str, tuple[str, ...]]) -> list[str]:
    return [word for phrases in table.values() for phrase in phrases for word in phrase.split()]


# Those that the tokenizer makes one token each.
WORDS = frozenset(
    {
        *(*PALETTE, *SHAPES, *DRAWN_THINGS),
        *(*_words_of(_SIZE_WORDS), *_words_of(_PLACE_WORDS), *_words_of(_RELATION_WORDS)),
        *" ".join(_LEADS).split(),
        *_OTHER_WORDS.split(),
    }
)


def _with_article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _color_word(color: str, rng: random.Random) -> str:
    return rng.choice(("grey", "grey", "gray")) if color == "grey" else color


def _thing_words(thing: StatedThing, rng: random.Random) -> str:
    """'large red circle', without its article and place."""
    size = rng.choice(_SIZE_WORDS[thing.size]) + " " if thing.size else ""
    color = _color_word(thing.color, rng) + " " if thing.color else ""
    return f"{size}{color}{thing.shape or unknown_noun(rng)}"


def _thing_phrase(thing: StatedThing, rng: random.Random, article: bool = True) -> str:
    """'a large red circle on the left'."""
    words = _thing_words(thing, rng)
    phrase = _with_article(words) if article else words
    return f"{phrase} {rng.choice(_PLACE_WORDS[thing.place])}" if thing.place else phrase


def _background_words(background: Background, rng: random.Random) -> str:
    """'blue background with white stripes', without its article."""
    color = _color_word(background.color, rng)
    if background.accent is None:
        return f"{rng.choice(('', '', '', 'plain '))}{color} background"
    accent = _color_word(background.accent, rng)
    striped = (f"{color} background with {accent} stripes", f"{color} and {accent} striped background")
    dotted = (f"{color} background with {accent} dots", f"{color} background with {accent} polka dots")
    return rng.choice(striped if background.pattern == "striped" else dotted)


def _join(phrases: list[str], last: str = " and ") -> str:
    return phrases[0] if len(phrases) == 1 else ", ".join(phrases[:-1]) + last + phrases[-1]


def _chance(share: float, rng: random.Random) -> bool:
    """Certain things draw nothing: the benchmark's captions stay what they were before styles had more shares."""
    return share >= 1 or (share > 0 and rng.random() < share)


def _stated_thing(thing: Thing, rng: random.Random, style: Style, say_place: bool) -> StatedThing:
    return StatedThing(
        thing.shape if _chance(style.shape, rng) else None,
        thing.color if _chance(style.color, rng) else None,
        thing.size if rng.random() < style.size else None,
        thing.place if say_place else None,
    )


def all_facts(scene: Scene) -> Stated:
    """Everything there is to say of a scene."""
    things = tuple(StatedThing(thing.shape, thing.color, thing.size, thing.place) for thing in scene.things)
    return Stated(things, scene.background, scene.relation)


def _alike(scene: Scene, rng: random.Random, style: Style) -> Stated:
    """The facts of things of one shape, said together."""
    colors = {thing.color for thing in scene.things}
    one = StatedThing(scene.things[0].shape, colors.pop() if len(colors) == 1 else None)
    background = scene.background if rng.random() < style.background else None
    return Stated((one,) * len(scene.things), background, together=True)


def choose_facts(scene: Scene, rng: random.Random, style: Style) -> Stated:
    """Which facts to state; things come in any order, and a relation turns round with them."""
    if len(scene.things) > 1 and len({thing.shape for thing in scene.things}) == 1 and _chance(style.together, rng):
        return _alike(scene, rng, style)
    things, relation = list(scene.things), scene.relation
    rng.shuffle(things)
    if relation is not None and things[0] is not scene.things[0]:
        relation = _INVERSE[relation]
    if relation is not None and rng.random() >= style.relation:
        relation = None
    # "A on the left to the left of B" says nothing twice over: places only where there is no relation.
    say_place = relation is None and rng.random() < style.place
    stated = tuple(_stated_thing(thing, rng, style, say_place) for thing in things)
    background = scene.background if rng.random() < style.background else None
    return Stated(stated, background, relation)


def _things_text(stated: Stated, rng: random.Random, article: bool) -> str:
    if stated.together:
        words = _thing_words(stated.things[0], rng)
        shape = stated.things[0].shape
        return f"{_NUMBERS[len(stated.things)]} {words.removesuffix(shape)}{_PLURALS.get(shape, f'{shape}s')}"
    phrases = [_thing_phrase(thing, rng, article) for thing in stated.things]
    if stated.relation is not None:
        return f"{phrases[0]} {rng.choice(_RELATION_WORDS[stated.relation])} {phrases[1]}"
    return _join(phrases)


def say(stated: Stated, rng: random.Random) -> str:
    """The facts in one of many phrasings."""
    terse = rng.random() < 0.12  # as people type prompts: "red circle, blue background"
    things = _things_text(stated, rng, article=not terse)
    lead = "" if terse else rng.choice(_LEADS)
    if stated.together:
        lead = lead.replace("there is", "there are")
    if stated.background is None:
        return f"{lead}{things}"
    if terse:
        return f"{things}, {_background_words(stated.background, rng)}"
    words = _background_words(stated.background, rng)
    ground = _with_article(words)
    phrasing = rng.random()
    if phrasing < 0.6:
        return f"{lead}{things} on {ground}"
    if phrasing < 0.85:
        return f"{lead}{things}, {words}"
    if phrasing < 0.93:
        return f"on {ground}, {things}"
    return f"{lead}{things} in front of {ground}"


def length(text: str) -> int:
    """How many tokens the text has at most: one for a comma or a word of the grammar, one for each letter of others."""
    words = text.replace(",", " , ").split()
    return sum(1 if word in WORDS else len(word) for word in words)


def caption(scene: Scene, rng: random.Random, style: Style = Style()) -> Caption:
    """A random true caption of the scene, with the facts it states; by default as people would type it."""
    while True:
        stated = choose_facts(scene, rng, style)
        text = say(stated, rng)
        if _chance(style.stray, rng):
            text = with_strays(text, rng)
        if length(text) <= LONGEST:
            return Caption(text, stated)


def _benchmark(counts: tuple[float, float, float], count: int, seed: int, held_out: bool | None) -> list[Caption]:
    rng = random.Random(f"benchmark {counts} {seed} {held_out}")
    mix = Mix(counts=counts, patterns=(1.0, 0.0, 0.0))
    return [caption(sample_scene(rng, mix, held_out), rng, FULL_FACTS) for _ in range(count)]


def one_object_captions(count: int, seed: int, held_out: bool | None) -> list[Caption]:
    """A fixed list for the benchmark: background, shape and colour always stated, size and place sometimes."""
    return _benchmark((1.0, 0.0, 0.0), count, seed, held_out)


def two_object_captions(count: int, seed: int, held_out: bool | None) -> list[Caption]:
    """As one_object_captions, with two objects and sometimes their relation."""
    return _benchmark((0.0, 1.0, 0.0), count, seed, held_out)
