"""Writes test/goldens/compel.{json,safetensors}: what Compel makes of prompts, of its own tests and of random ones, with a
small random CLIP. `python -m scripts.goldens.compel`

Every answer of the text encoder is stored, so that the test does Compel's arithmetic with the very same numbers. Three
things are corrected here, as docs/prompts.md says: padding is masked, and so it is for the empty prompt; a lighter word is
masked alone, never the ends of a chunk, and no padding is attended to for it.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pyparsing
import torch
from compel import Compel, PromptParser
from compel.embeddings_provider import SplitLongTextMode
from compel.prompt_parser import Blend, CrossAttentionControlSubstitute
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

pyparsing.ParserElement.enable_packrat()  # or brackets in brackets take minutes
GOLDENS = Path(__file__).parents[2] / "test" / "goldens"
CASES = Path(__file__).with_name("compel_cases.json")  # the cases of Compel's own tests, in other words
LENGTH = 24  # tokens of a chunk
SEED = 11
RANDOM_PROMPTS = 160
LONG_PROMPTS = 48
WORDS = [
    "a",
    "red",
    "blue",
    "green",
    "circle",
    "square",
    "star",
    "small",
    "large",
    "above",
    "below",
    "left",
    "right",
    "of",
    "the",
    "with",
    "two",
    ",",
    ".",
    "hot-pot",
    "it's",
    "3.5",
    "café",
]


class Recorder:
    """A text encoder that remembers what it answered."""

    def __init__(self) -> None:
        torch.manual_seed(SEED)
        config = CLIPTextConfig(
            vocab_size=794,
            hidden_size=8,
            intermediate_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=LENGTH,
            bos_token_id=792,
            eos_token_id=793,
            pad_token_id=793,
            initializer_range=1.0,
        )
        self.model = CLIPTextModel(config).eval()
        with torch.no_grad():
            for parameter in self.model.parameters():
                parameter.normal_(0, 0.5)
        self.device, self.dtype = torch.device("cpu"), torch.float32
        self.answers: dict[tuple[tuple[int, ...], tuple[int, ...]], torch.Tensor] = {}

    def __call__(self, ids: torch.Tensor, mask: torch.Tensor, **options: Any) -> Any:
        with torch.no_grad():
            output = self.model(ids.long(), mask, return_dict=True)
        key = tuple(ids[0].tolist()), tuple(mask[0].tolist())
        self.answers[key] = output.last_hidden_state[0]
        return output


def correct_masks(provider: Any) -> None:
    """Has a reading without some words mask these alone."""
    expand, build = provider.get_token_ids_and_expand_weights, provider.build_weighted_embedding_tensor
    whole = torch.empty(0)

    def remember(*arguments: Any, **options: Any) -> Any:
        nonlocal whole
        tokens, weights, whole = expand(*arguments, **options)
        return tokens, weights, whole

    def masked(tokens: torch.Tensor, weights: torch.Tensor, mask: torch.Tensor, **options: Any) -> Any:
        ends = ((tokens == provider.tokenizer.bos_token_id) | (tokens == provider.tokenizer.eos_token_id)).long()
        return build(tokens, weights, whole * torch.maximum(mask, ends), **options)

    provider.get_token_ids_and_expand_weights = remember
    provider.build_weighted_embedding_tensor = masked


def flat(node: Any) -> Any:
    """What a flattened prompt consists of, as plain data."""
    if isinstance(node, Blend):
        return [flat(prompt) for prompt in node.prompts]
    return [
        {"swap": [part(one) for one in (child.original, child.edited)], "options": child.options}
        if isinstance(child, CrossAttentionControlSubstitute)
        else [child.text, child.weight]
        for child in node.children
    ]


def part(fragments: Any) -> Any:
    return [[fragment.text, fragment.weight] for fragment in fragments]


def parsed(text: str) -> dict[str, Any]:
    try:
        conjunction = PromptParser().parse_conjunction(text)
    except (PromptParser.ParsingException, pyparsing.ParseException) as error:
        return {"error": type(error).__name__}
    loras = [[lora.model, lora.weight] for lora in conjunction.lora_weights]
    [first, *others] = conjunction.prompts
    if isinstance(first, Blend) and not others:
        weights = list(first.weights)
        return {
            "combine": "blend",
            "normalized": first.normalize_weights,
            "weights": weights,
            "parts": flat(first),
            "loras": loras,
        }
    parts = [flat(prompt) for prompt in conjunction.prompts]
    return {"combine": "and", "normalized": True, "weights": list(conjunction.weights), "parts": parts, "loras": loras}


def random_text(rng: random.Random, words: int, depth: int, lighter: bool) -> str:
    """Words, some of them with weights."""
    pieces = []
    while words > 0:
        count = min(words, rng.randint(1, 4))
        words -= count
        text = " ".join(rng.choice(WORDS) for _ in range(count))
        kind = rng.random()
        weight = rng.choice(
            ["1.3", "1.5", "2", "1.05", "+", "++"] + (["0.5", "0.8", "0", "-", "--"] if lighter else [])
        )
        if kind < 0.25:
            inner = (
                random_text(rng, rng.randint(1, 3), depth - 1, lighter) if depth > 0 and rng.random() < 0.4 else text
            )
            pieces.append(f"({inner}){weight}")
        elif kind < 0.35:
            pieces.append(f'"{text}"{weight}')
        else:
            pieces.append(text)
    return " ".join(pieces)


def random_prompts() -> list[str]:
    rng = random.Random(SEED)
    prompts = []
    for index in range(RANDOM_PROMPTS):
        kind = index % 8
        if kind < 4:
            prompts.append(random_text(rng, rng.randint(1, 7), 1, lighter=True))
        elif kind == 4:
            members = [random_text(rng, rng.randint(1, 6), 1, True).replace('"', "") for _ in range(rng.randint(1, 3))]
            weights = ", ".join(rng.choice(["0.7", "0.3", "1", "2", "1.25"]) for _ in members)
            option = rng.choice(["", ", no_normalize"])
            prompts.append("(" + ", ".join(f'"{one}"' for one in members) + f").blend({weights}{option})")
        elif kind == 5:
            members = [random_text(rng, rng.randint(1, 6), 1, True).replace('"', "") for _ in range(rng.randint(1, 3))]
            weights = ", ".join(rng.choice(["0.7", "1", "2", "1.25"]) for _ in members)
            prompts.append("(" + ", ".join(f'"{one}"' for one in members) + f").and({weights})")
        else:  # longer than a chunk
            prompts.append(random_text(rng, rng.randint(25, 50), 0, lighter=False))
    return prompts


def long_and_lighter() -> list[str]:
    """Longer than a chunk, with words below 1 in any place, also across the end of a chunk."""
    rng = random.Random(SEED + 1)
    prompts = [random_text(rng, rng.randint(25, 60), 1, lighter=True) for _ in range(LONG_PROMPTS)]
    joined = [
        f'("{one}", "a (red)0.5 star").{rng.choice(["blend", "and"])}(1, 0.5)' for one in prompts[: LONG_PROMPTS // 4]
    ]
    return prompts + [text for text in joined if text.count('"') == 4]


def main() -> None:
    tokenizer = CLIPTokenizer.from_pretrained(GOLDENS / "tokenizer", model_max_length=LENGTH)
    encoder = Recorder()
    empty = torch.tensor([[792] + [793] * (LENGTH - 1)]), torch.tensor([[1, 1] + [0] * (LENGTH - 2)])
    compels = {}
    for mode, truncate in (("truncate", True), ("chunk", False)):
        compel = Compel(
            tokenizer,
            encoder,
            truncate_long_prompts=truncate,
            padding_attention_mask_value=0,
            split_long_text_mode=SplitLongTextMode.SENTENCES,
            device="cpu",
        )
        compel.conditioning_provider._empty_z = encoder(*empty).last_hidden_state
        correct_masks(compel.conditioning_provider)
        compels[mode] = compel
    prompts = json.loads(CASES.read_text()) + random_prompts() + long_and_lighter()
    cases, results, at = [], [], 0
    for text in dict.fromkeys(prompts):
        tree = parsed(text)
        case: dict[str, Any] = {"text": text, **tree}
        if "error" not in tree and "swap" not in json.dumps(tree) and sum(tree["weights"]) != 0:
            for mode, compel in compels.items():
                result = compel(text)[0]
                if mode == "chunk" and torch.equal(result.flatten(), results[-1]):
                    continue  # it is not too long
                results.append(result.flatten())
                case[mode] = [at, result.shape[0]]
                at += result.numel()
        cases.append(case)
    answers = list(encoder.answers.items())
    tensors = {
        "ids": torch.tensor([ids for (ids, _), _ in answers], dtype=torch.float32),
        "masks": torch.tensor([mask for (_, mask), _ in answers], dtype=torch.float32),
        "hidden": torch.stack([hidden for _, hidden in answers]).contiguous(),
        "results": torch.cat(results),
    }
    save_file(tensors, GOLDENS / "compel.safetensors")
    about = {"made_by": "python -m scripts.goldens.compel, compel 2.5.1", "length": LENGTH, "cases": cases}
    (GOLDENS / "compel.json").write_text(json.dumps(about, ensure_ascii=False) + "\n")
    computed = sum("truncate" in case for case in cases)
    print(f"{len(cases)} prompts, {computed} of them with embeddings, {len(answers)} answers of the text encoder")


if __name__ == "__main__":
    main()
