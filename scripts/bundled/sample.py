"""Pictures from the checkpoints of a training in progress: sample sheets, and how many of them the judge believes.

`python -m scripts.bundled.sample --what rebuild` looks at Stage A and B alone (a drawn picture, encoded and decoded);
`--what captions` at all of it.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..networks import Decoder, Prior
from . import tokenizer as bpe
from .captions import Caption, all_facts, caption, one_object_captions, two_object_captions
from .configs import CONFIGS, LATENT_SIZE, SEMANTIC_CHANNELS, SEMANTIC_GRID, TEXT_LENGTH
from .dataset import reduce
from .diffusion import sample
from .draw import contact_sheet, draw
from .judge import accuracies, format_table, judge
from .scene import Mix, sample_scene
from .train_decoder import load_encoder, make_text_encoder
from .train_vqgan import load_vqgan
from .training import autocast

_BATCH = 25


def averages(path: Path) -> dict[str, dict[str, Tensor]]:
    """The averaged weights of a training's checkpoint, by module."""
    state = torch.load(path, weights_only=True, map_location="cpu")["average"]
    modules: dict[str, dict[str, Tensor]] = {}
    for key, tensor in state.items():
        module, _, name = key.partition(".")
        modules.setdefault(module, {})[name] = tensor
    return modules


class Sampler:
    def __init__(self, folder: Path, with_prior: bool, device: torch.device):
        self.device = device
        self.vqgan = load_vqgan(folder, device)
        self.tokenizer = bpe.load(folder / "tokenizer")
        second = averages(folder / "decoder.pt")
        self.decoder = self._load(Decoder(**CONFIGS.decoder), second["decoder"])
        self.encoder = load_encoder(folder, device)
        tokens = folder / "tokenizer"
        self.text = self._load(make_text_encoder(CONFIGS.text_encoder, tokens), second["text"])
        if with_prior:
            first = averages(folder / "prior.pt")
            self.prior = self._load(Prior(**CONFIGS.prior), first["prior"])
            self.prior_text = self._load(make_text_encoder(CONFIGS.prior_text_encoder, tokens), first["text"])
            self.deviation = float(np.load(folder / "embeddings.npy", mmap_mode="r")[:4000].std())

    def _load(self, module: torch.nn.Module, state: dict[str, Tensor]) -> torch.nn.Module:
        module.load_state_dict(state)
        return module.to(self.device).eval()

    def tokens(self, texts: list[str]) -> tuple[Tensor, Tensor]:
        encoded = [bpe.encode(self.tokenizer, text, TEXT_LENGTH) for text in texts]
        ids, mask = (torch.tensor(part) for part in zip(*encoded, strict=True))
        return ids.to(self.device), mask.to(self.device)

    @torch.no_grad()
    def embed(self, texts: list[str], steps: int, guidance: float, seed: int) -> Tensor:
        """Stage C: captions -> image embeddings."""
        text = self.prior_text.encode(*self.tokens(texts + [""] * len(texts)))
        condition = self.prior.condition(text)

        def predict(x: Tensor, ratio: Tensor) -> Tensor:
            with autocast(self.device):
                modulation = self.prior.modulate(ratio.to(self.device)).repeat(2, 1)
                noise = self.prior.step(x.to(self.device).repeat(2, 1, 1, 1), modulation, condition)
            said, unsaid = noise.float().chunk(2)
            return torch.lerp(unsaid, said, guidance)

        shape = (len(texts), SEMANTIC_CHANNELS, SEMANTIC_GRID, SEMANTIC_GRID)
        generator = torch.Generator().manual_seed(seed)
        return sample(predict, shape, steps, generator).to(self.device) * self.deviation

    @torch.no_grad()
    def render(self, image: Tensor, texts: list[str], steps: int, seed: int) -> np.ndarray:
        """Stages B and A: image embeddings -> pictures (N, 256, 256, 3) uint8."""
        text = self.text.encode(*self.tokens(texts))
        condition = self.decoder.condition(text, image, LATENT_SIZE, LATENT_SIZE)

        def predict(x: Tensor, ratio: Tensor) -> Tensor:
            with autocast(self.device):
                modulation = self.decoder.modulate(ratio.to(self.device))
                return self.decoder.step(x.to(self.device), modulation, condition)

        shape = (len(texts), 4, LATENT_SIZE, LATENT_SIZE)
        latents = sample(predict, shape, steps, torch.Generator().manual_seed(seed)).to(self.device)
        pixels = torch.cat([self.vqgan.decode(one) for one in latents.split(8)])
        return (pixels.permute(0, 2, 3, 1).cpu().numpy() * 255).round().astype(np.uint8)


def drawn_scenes(count: int, seed: int) -> tuple[list[Caption], np.ndarray]:
    """One-object scenes never trained on, with their pictures and all there is to say of them."""
    rng = random.Random(f"rebuild {seed}")
    mix = Mix(counts=(1.0, 0.0, 0.0), patterns=(1.0, 0.0, 0.0))
    scenes = [sample_scene(rng, mix, held_out=True) for _ in range(count)]
    captions = [Caption(caption(scene, rng).text, all_facts(scene)) for scene in scenes]
    return captions, np.stack([draw(scene, rng=rng) for scene in scenes])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(".training"))
    parser.add_argument("--what", choices=["rebuild", "one", "two"], default="one")
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--steps", type=int, default=30, help="of Stage C")
    parser.add_argument("--decoder-steps", type=int, default=12)
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sheet", type=Path, help="where to write a PNG of the pictures")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    sampler = Sampler(options.folder, options.what != "rebuild", torch.device("cpu"))
    if options.what == "rebuild":
        captions, pictures = drawn_scenes(options.count, options.seed)
        reduced = torch.from_numpy(np.stack([reduce(picture) for picture in pictures]))
        with torch.no_grad():
            image = sampler.encoder(reduced.permute(0, 3, 1, 2).float() / 255)
    else:
        make = one_object_captions if options.what == "one" else two_object_captions
        captions = make(options.count, options.seed, held_out=True)
    made = []
    for start in range(0, options.count, _BATCH):
        texts = [one.text for one in captions[start : start + _BATCH]]
        if options.what == "rebuild":
            part = image[start : start + _BATCH]
        else:
            part = sampler.embed(texts, options.steps, options.guidance, options.seed + start)
        made.append(sampler.render(part, texts, options.decoder_steps, options.seed + start))
    shown = np.concatenate(made)
    verdicts = [judge(picture, one.stated) for picture, one in zip(shown, captions, strict=True)]
    print(format_table(accuracies(verdicts)))
    if options.sheet:
        contact_sheet(list(shown), [one.text for one in captions]).save(options.sheet)


if __name__ == "__main__":
    main()
