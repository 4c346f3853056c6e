"""Writes test/goldens/tokenizer/: a small CLIP tokenizer and what the Rust library makes of a corpus and of 10,000
random strings. `python -m scripts.goldens.tokenizer [--clip bpe_simple_vocab_16e6.txt.gz]`

The random strings are not stored: the test draws the same ones from the alphabet with the same generator. Of their ids
it stores a hash each. With CLIP's own vocabulary (in the package open_clip_torch) the corpus is encoded with that, too.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import random
import struct
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Tokenizer
from transformers import CLIPTokenizer

from scripts.bundled.tokenizer import BOS, EOS, WORD_END, byte_symbols, encode, save, train

FOLDER = Path(__file__).parents[2] / "test" / "goldens" / "tokenizer"
LENGTH = 256  # of the committed tokenizer: long enough that few random strings are cut
CLIP_LENGTH = 77
STRINGS = 10_000
SEED = 20231

CORPUS = [
    "a photo of a fox",
    "Anthropomorphic cat dressed as a fire-fighter",
    "A red circle to the left of two small blue squares, on white; it's 3.5 x larger!!!",
    "don't won't we'll I'm they've she'd THEY'RE John'S ''s 'em rock'n'roll",
    "  leading, trailing \t and \n\r\n odd   white space  ",
    "no\u00a0break thin\u2009ideographic\u3000nel\u0085line\u2028paragraph\u2029vt\u000bff\u000cend",
    "separators\u001cfile\u001dgroup\u001erecord\u001funit",
    "zero\u200bwidth\u200djoiner\ufeffbom \ufeff !\ufeff! \u180e\u2060",
    "\x00null \x01\x07\x08 controls \x1b[31m\x7f\x80\x9f",
    "ΟΔΥΣΣΕΥΣ ΟΔΟΣ ΣΟΦΟΣ Σ ΑΣ. ΑΣΑ Σ' σς ὈΔΥΣΣΕΎΣ",
    "İstanbul ıI Iİ DŽ Dž ǅ ẞ ß ﬁ ﬂ ﬃ Å Å K Ω",
    "café café ñ ñ Ệ Ệ Ệ ḍ̇ ḍ̇",
    "각 각 한글 조합 ㄱㄴㄷ",
    "日本語の文章、全角１２３ ｶﾞ が が 漢字",
    "北京的秋天，红叶满山。",
    "Привет, мир! ЁЖИК ёжик",
    "مرحبا بالعالم ١٢٣ עברית שָׁלוֹם हिन्दी क्षि ไทย ภาษา",
    "🦊🐱 👩‍👩‍👧‍👦 👍🏽 🏳️‍🌈 🇩🇪🇯🇵 ❤️ 1️⃣ ☺ ☺️",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟙𝟚𝟛 𐐀𐐨 𠮷 \U0010ffff \uffff \ue000",
    "² ³ ¼ ½ Ⅷ ⅷ ① ٣ 4th 2nd 1,000.50 0x1F 1e-5",
    "<|startoftext|> inside <|endoftext|> and <|ENDOFTEXT|> a<|endoftext|>b <|endoftext|",
    "</w> <w> a</w>b #version: 0.2",
    "snake_case kebab-case CamelCase http://example.com/?q=a&b=%20#x (a)[b]{c}",
    "-- --- ... …… !!! ??? @@@ ### $$$ ~~~ ``` \\\\ // || <> ><",
    "supercalifragilisticexpialidocious" * 12,
    "x" * 1000,
    "!?" * 300,
    "🦊" * 120,
    "a " * 200,
    "word " * 74 + "cut here: the tail is lost",
    "",
    " ",
    "\n",
]

TRAINING = [
    "a photo of a fox and a cat dressed as a fire-fighter, a red circle left of two small blue squares",
    "it's what they've got and we'll see that she'd say don't you know I'm the one 123 4th ... !!! ??",
    "the quick brown fox jumps over the lazy dog. supercalifragilisticexpialidocious xxxx xxxxxxxx",
    "σοφος οδος οδυσσευς ὀδυσσεύς привет мир ёжик café straße ñandú ệ",
    "北京的秋天 日本語の文章 한글 조합 각 हिन्दी مرحبا 🦊 🐱 👍🏽 ❤️ 👩‍👩‍👧‍👦",
]


def assigned_characters(count: int) -> list[str]:
    """A sample of characters that are as old as Unicode 3.2: every library's tables agree on those."""
    rng = random.Random(SEED)
    points = [point for point in range(0x80, 0x20000) if not 0xD800 <= point <= 0xDFFF]
    old = [chr(point) for point in points if unicodedata.ucd_3_2_0.category(chr(point)) not in ("Cn", "Co")]
    return sorted(rng.sample(old, count))


def alphabet() -> list[list[str]]:
    """Groups of pieces; a random string takes a group, then a piece of it, again and again."""
    return [
        ["fox", "cat", "photo", "red", "circle", "the", "of", "dress", "fire", "quick", "square", "x"],
        ["Fox", "CAT", "The", "RED", "É", "Ñ", "Ж", "Ё", "Ä", "ẞ", "İ", "K", "Å", "Ǆ", "ǅ"],
        [*"abcdefghijklmnopqrstuvwxyz"],
        [*"0123456789", "²", "½", "Ⅷ", "٣", "𝟙"],
        [" ", " ", " ", " ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u2003", "\u3000", "\u0085", "\u2028", "\u000b"],
        ["\u001c", "\u001d", "\u001f", "\u200b", "\u200d", "\ufeff", "\u180e", "\u2060", "\x00", "\x07", "\x7f"],
        [*"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "…", "—", "“", "”", "、", "。"],
        ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'LL", "''", "'"],
        [*"ΣΣσςΟΔΥΕΑαδ", "Ὀ", "ύ"],
        ["\u0301", "\u0308", "\u0323", "\u0307", "e", "a", "o", "\u1100", "\u1161", "\u11a8", "か", "\u3099"],
        ["日", "本", "語", "北", "京", "한", "글", "ह", "ि", "न", "م", "ر", "ไ", "ท"],
        ["🦊", "🐱", "👩", "👧", "\u200d", "\ufe0f", "🏽", "👍", "🇩", "🇪", "❤", "1️⃣", "𝔘", "𐐀", "𠮷"],
        [BOS, EOS, "<|", "|>", "</w>", "<|ENDOFTEXT|>", "startoftext"],
        assigned_characters(2500),
    ]


class Mulberry32:
    """A generator of 32-bit numbers that is a few lines in any language."""

    def __init__(self, seed: int):
        self.state = seed

    def below(self, count: int) -> int:
        self.state = (self.state + 0x6D2B79F5) & 0xFFFFFFFF
        value = self.state
        value = (value ^ (value >> 15)) * (value | 1) & 0xFFFFFFFF
        value ^= (value + ((value ^ (value >> 7)) * (value | 61) & 0xFFFFFFFF)) & 0xFFFFFFFF
        return ((value ^ (value >> 14)) & 0xFFFFFFFF) * count >> 32


def random_strings(groups: list[list[str]]) -> Iterator[str]:
    rng = Mulberry32(SEED)
    for _ in range(STRINGS):
        pieces = []
        for _ in range(1 + rng.below(32)):
            group = groups[rng.below(len(groups))]
            pieces.append(group[rng.below(len(group))])
        yield "".join(pieces)


def fnv1a(ids: list[int]) -> int:
    value = 0x811C9DC5
    for one in ids:
        value = (value ^ one) * 0x01000193 & 0xFFFFFFFF
    return value


def corpus_ids(tokenizer: Tokenizer, length: int, corpus: list[str] = CORPUS) -> list[dict[str, object]]:
    """Up to the end token; the padding that follows says nothing."""
    cases = []
    for text in corpus:
        ids, mask = encode(tokenizer, text, length)
        cases.append({"text": text, "ids": ids[: sum(mask)]})
    return cases


def clip(vocabulary: Path) -> Tokenizer:
    """CLIP's own tokenizer, as transformers builds it."""
    lines = gzip.decompress(vocabulary.read_bytes()).decode("utf-8").split("\n")
    merges = [tuple(line.split()) for line in lines[1 : 49152 - 256 - 2 + 1]]
    symbols = byte_symbols()
    entries = [*symbols, *(one + WORD_END for one in symbols), *(a + b for a, b in merges), BOS, EOS]
    vocab = {entry: index for index, entry in enumerate(entries)}
    return CLIPTokenizer(vocab=vocab, merges=merges).backend_tokenizer


def from_merges() -> Tokenizer:
    """What transformers makes of a folder that has only vocab.json and merges.txt."""
    vocab = json.loads((FOLDER / "vocab.json").read_text(encoding="utf-8"))
    merges = (FOLDER / "merges.txt").read_text(encoding="utf-8").splitlines()[1:]
    return CLIPTokenizer(vocab=vocab, merges=[tuple(line.split()) for line in merges]).backend_tokenizer


SPECIALS = [
    "<|STARTOFTEXT|><|ENDOFTEXT|>",
    "<|ENDOFTEXT|><|StartOfText|><|endoftext|>",
    "a <|StartOfText|>b<|ENDOFTEXT|> <|startoftext|>",
    "<|ENDOFTEXT|>",
]


def with_normalized_start() -> Tokenizer:
    """CLIP's own tokenizer.json says so of its start token: it is found after lowering, the end token before."""
    tokenizer = json.loads((FOLDER / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer["added_tokens"][0]["normalized"] = True
    return Tokenizer.from_str(json.dumps(tokenizer))


def write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=None) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clip", type=Path, help="CLIP's merges, to encode the corpus with its whole vocabulary")
    options = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    if not (FOLDER / "tokenizer.json").exists():  # two trainings differ where pairs are equally frequent
        save(train(TRAINING * 2), FOLDER, LENGTH)
    tokenizer = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    groups = alphabet()
    hashes = [fnv1a(encode(tokenizer, text, LENGTH)[0]) for text in random_strings(groups)]
    made_by = "python -m scripts.goldens.tokenizer, tokenizers 0.23.3, transformers 5.23.0"
    write(
        FOLDER / "golden.json",
        {
            "made_by": made_by,
            "corpus": corpus_ids(tokenizer, LENGTH),
            "corpus_from_merges": [case["ids"] for case in corpus_ids(from_merges(), LENGTH)],
            "specials": corpus_ids(tokenizer, LENGTH, SPECIALS),
            "specials_normalized_start": corpus_ids(with_normalized_start(), LENGTH, SPECIALS),
            "alphabet": groups,
            "seed": SEED,
            "strings": STRINGS,
            "hashes": base64.b64encode(struct.pack(f"<{STRINGS}I", *hashes)).decode(),
        },
    )
    if options.clip:
        corpus = corpus_ids(clip(options.clip), CLIP_LENGTH)
        write(FOLDER / "clip.json", {"made_by": f"{made_by} --clip", "corpus": corpus})


if __name__ == "__main__":
    main()
