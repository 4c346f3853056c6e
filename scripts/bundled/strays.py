"""Words outside the grammar, which people type anyway. They change nothing of what a caption states, and Stage C's text
encoder has to learn just that. Half of them are invented, so that it learns it of all words and not of these.
"""

from __future__ import annotations

import random

_ADJECTIVES = ("cute", "old", "shiny", "wooden", "funny", "soft", "simple", "lovely", "glowing", "strange", "quiet")
_NOUNS = ("thing", "shape", "object", "boat", "bird", "lamp", "chair", "robot", "horse", "bottle", "book", "key", "cup")
_LEADS = ("a photo of ", "a painting of ", "a sketch of ", "draw ", "please draw ", "show me ", "an icon of ")
_TAILS = (", highly detailed", ", flat design", ", 4k", ", digital art", " for my friend", " at night", ", please")
_JOINS = (" with a", " next to a", " near a", " beside a")


def _invented(rng: random.Random) -> str:
    return "".join(rng.choice("bdfgklmnprstvz") + rng.choice("aeiou") for _ in range(rng.choice((2, 2, 3))))


def _one_of(words: tuple[str, ...], rng: random.Random) -> str:
    return rng.choice(words) if rng.random() < 0.5 else _invented(rng)


def unknown_noun(rng: random.Random) -> str:
    """What stands for a thing whose shape the caption does not state."""
    return _one_of(_NOUNS, rng)


def _before_some_word(text: str, rng: random.Random) -> str:
    """'a red star' becomes 'a funny red star'."""
    words = text.split(" ")
    articles = [index for index, word in enumerate(words[:-1]) if word in ("a", "an")]
    if not articles:
        return text
    chosen, adjective = rng.choice(articles), _one_of(_ADJECTIVES, rng)
    words[chosen : chosen + 1] = ["an" if adjective[0] in "aeiou" else "a", adjective]
    return " ".join(words)


def _led(text: str, rng: random.Random) -> str:
    return rng.choice(_LEADS) + text if text.startswith(("a ", "an ")) else text


def _trailed(text: str, rng: random.Random) -> str:
    return text + (rng.choice(_TAILS) if rng.random() < 0.5 else f", {_invented(rng)} {_invented(rng)}")


def _joined(text: str, rng: random.Random) -> str:
    return text.replace(" and a", rng.choice(_JOINS), 1)


def with_strays(text: str, rng: random.Random) -> str:
    """The caption with a word or two that it would do without."""
    for change in rng.sample((_before_some_word, _led, _trailed, _joined), rng.choice((1, 1, 2))):
        text = change(text, rng)
    return text
