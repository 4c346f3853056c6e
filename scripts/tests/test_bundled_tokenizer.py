"""The bundled model's tokenizer: CLIP's layout, trained on its own captions."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from scripts.bundled.captions import LONGEST, Style, caption, length
from scripts.bundled.scene import Mix, sample_scene
from scripts.bundled.tokenizer import BOS, EOS, byte_symbols, encode, load, save, train, training_captions


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train(training_captions(6000, seed=0))


class TestTokenizer:
    def test_is_the_same_every_time(self, tokenizer: Tokenizer):
        assert train(training_captions(6000, seed=0)).to_str() == tokenizer.to_str()

    def test_is_laid_out_as_clips(self, tokenizer: Tokenizer):
        entries = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
        names = [name for name, _ in entries]
        assert [index for _, index in entries] == list(range(len(entries)))
        assert names[:256] == byte_symbols() and names[:3] == ["!", '"', "#"]
        assert names[256:512] == [symbol + "</w>" for symbol in byte_symbols()]
        assert names[-2:] == [BOS, EOS]
        assert len(entries) <= 1024

    def test_has_one_token_for_each_word_of_the_grammar(self, tokenizer: Tokenizer):
        words = {word for text in training_captions(3000, seed=1) for word in text.replace(",", "").split()}
        assert words
        assert [word for word in words if len(tokenizer.encode(word, add_special_tokens=False)) != 1] == []

    @pytest.mark.parametrize("text", ["An ORANGE  star\n", "naïve 日本語 🎨", "it's 42 €!", "\x00\x7f ~"])
    def test_round_trips_any_text(self, tokenizer: Tokenizer, text: str):
        decoded = tokenizer.decode(tokenizer.encode(text).ids).replace("</w>", " ")
        # As CLIP's, it forgets case and which words were written together, and nothing else.
        assert "".join(decoded.split()) == "".join(text.lower().split())

    def test_makes_no_more_tokens_of_a_caption_than_it_is_long(self, tokenizer: Tokenizer):
        rng, sampling = random.Random(4), random.Random(12)
        for _ in range(1000):
            text = caption(sample_scene(sampling, Mix(), None), rng, Style(stray=1.0)).text
            assert len(tokenizer.encode(text, add_special_tokens=False)) <= length(text) <= LONGEST, text

    def test_pads_with_ends_and_keeps_the_end_when_truncating(self, tokenizer: Tokenizer):
        bos, eos = tokenizer.token_to_id(BOS), tokenizer.token_to_id(EOS)
        ids, mask = encode(tokenizer, "a red circle", 8)
        assert (ids[0], ids[4:], mask) == (bos, [eos] * 4, [1] * 5 + [0] * 3)
        ids, mask = encode(tokenizer, "a red circle " * 20, 8)
        assert (len(ids), ids[0], ids[-1], mask) == (8, bos, eos, [1] * 8)

    def test_is_read_alike_by_transformers(self, tokenizer: Tokenizer, tmp_path: Path):
        transformers = pytest.importorskip("transformers")
        save(tokenizer, tmp_path, max_length=32)
        assert load(tmp_path).to_str() == tokenizer.to_str()
        theirs = transformers.CLIPTokenizer.from_pretrained(tmp_path)
        for text in (*training_captions(50, seed=2), "Ünïcödé 日本語 🎨 it's 3", ""):
            batch = theirs(text, padding="max_length", max_length=32, truncation=True)
            assert (batch["input_ids"], batch["attention_mask"]) == encode(tokenizer, text, 32)
