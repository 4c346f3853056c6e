"""Trains the text encoder's tokenizer on captions and writes it in CLIP's files, so that nothing downstream can
tell it from CLIP's own but for the smaller vocabulary."""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterable
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer

from .captions import GRAMMAR, caption
from .scene import Mix, sample_scene

BOS, EOS = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"
VOCAB_LIMIT = 1024
_CLIP_WORDS = r"""'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""


def byte_symbols() -> list[str]:
    """One printable character per byte, in the order of GPT-2's and CLIP's vocabularies."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + index) for index in range(len(others))]


def _assemble(vocab: dict[str, int], merges: list[tuple[str, str]]) -> Tokenizer:
    """CLIP's pipeline around a vocabulary."""
    model = BPE(vocab, merges, continuing_subword_prefix="", end_of_word_suffix=WORD_END, unk_token=EOS)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_CLIP_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _learn_merges(captions: Iterable[str]) -> list[tuple[str, str]]:
    scratch = _assemble({}, [])
    trainer = BpeTrainer(
        vocab_size=VOCAB_LIMIT,
        min_frequency=2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        end_of_word_suffix=WORD_END,
        show_progress=False,
    )
    scratch.train_from_iterator(captions, trainer)
    merges = json.loads(scratch.to_str())["model"]["merges"]
    # The trainer knows only the word endings it met; the full layout has 512 symbols and two specials.
    return [(left, right) for left, right in merges][: VOCAB_LIMIT - 2 * 256 - 2]


def train(captions: Iterable[str]) -> Tokenizer:
    """A byte-level BPE laid out as CLIP's: bytes, bytes that end a word, merges, start, end."""
    merges = _learn_merges(captions)
    symbols = byte_symbols()
    entries = [*symbols, *(symbol + WORD_END for symbol in symbols), *(a + b for a, b in merges), BOS, EOS]
    # Two merges may spell the same entry: the first keeps its id, as in CLIP.
    vocab = {entry: index for index, entry in enumerate(dict.fromkeys(entries))}
    tokenizer = _assemble(vocab, merges)
    tokenizer.add_special_tokens([AddedToken(BOS, normalized=False), AddedToken(EOS, normalized=False)])
    tokenizer.post_processor = processors.RobertaProcessing(
        (EOS, vocab[EOS]), (BOS, vocab[BOS]), trim_offsets=False, add_prefix_space=False
    )
    return tokenizer


def training_captions(count: int, seed: int) -> list[str]:
    """Captions of the full grammar: enough of them that every word is frequent."""
    rng = random.Random(f"tokenizer {seed}")
    return [caption(sample_scene(rng, Mix()), rng, GRAMMAR).text for _ in range(count)]


def encode(tokenizer: Tokenizer, text: str, length: int) -> tuple[list[int], list[int]]:
    """Ids and attention mask of exactly `length`: start, text, end, and padded with ends. Long texts lose their
    tail but never their end token, which is where the text encoder pools."""
    if length < 2:
        raise ValueError(f"Expected length to be at least 2 but received {length}")
    bos, eos = tokenizer.token_to_id(BOS), tokenizer.token_to_id(EOS)
    ids = [bos, *tokenizer.encode(text, add_special_tokens=False).ids[: length - 2], eos]
    padding = length - len(ids)
    return ids + [eos] * padding, [1] * len(ids) + [0] * padding


def load(folder: Path) -> Tokenizer:
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def _config(tokenizer: Tokenizer, max_length: int) -> dict:
    def described(token: str) -> dict:
        flags = dict.fromkeys(("lstrip", "normalized", "rstrip", "single_word"), False)
        return {"content": token, **flags, "special": True}

    return {
        "add_prefix_space": False,
        "added_tokens_decoder": {str(tokenizer.token_to_id(token)): described(token) for token in (BOS, EOS)},
        "bos_token": BOS,
        "clean_up_tokenization_spaces": True,
        "do_lower_case": True,
        "eos_token": EOS,
        "errors": "replace",
        "model_max_length": max_length,
        "pad_token": EOS,
        "tokenizer_class": "CLIPTokenizer",
        "unk_token": EOS,
    }


def save(tokenizer: Tokenizer, folder: Path, max_length: int) -> None:
    """Writes the five files that transformers' CLIPTokenizer keeps."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    model = json.loads(tokenizer.to_str())["model"]
    vocab = dict(sorted(model["vocab"].items(), key=lambda entry: entry[1]))
    merges = "".join(f"{left} {right}\n" for left, right in model["merges"])
    specials = {"bos_token": BOS, "eos_token": EOS, "pad_token": EOS, "unk_token": EOS}

    def write(name: str, text: str) -> None:
        (folder / name).write_text(text, encoding="utf-8", newline="\n")

    write("vocab.json", json.dumps(vocab, ensure_ascii=False) + "\n")
    write("merges.txt", "#version: 0.2\n" + merges)
    write("special_tokens_map.json", json.dumps(specials, indent=2) + "\n")
    write("tokenizer_config.json", json.dumps(_config(tokenizer, max_length), indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the tokenizer on captions and write it in CLIP's files.")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--max-length", type=int, required=True, help="tokens the text encoder takes, e.g. 32")
    parser.add_argument("--captions", type=int, default=20_000, help="how many captions to train on")
    parser.add_argument("--seed", type=int, default=0, help="seed of the captions")
    options = parser.parse_args()
    tokenizer = train(training_captions(options.captions, options.seed))
    save(tokenizer, options.out, options.max_length)
    print(f"{tokenizer.get_vocab_size()} entries in {options.out}")


if __name__ == "__main__":
    main()
