"""Pictures from the checkpoints of a training in progress: sample sheets, and how many of them the judge believes.

`python -m scripts.bundled.sample --what rebuild` looks at Stage A and B alone (a drawn picture, encoded and decoded);
`--what one` and `--what two` at all of it, from captions of one or two objects.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ..networks import Decoder, Previewer, Prior, Vqgan
from . import tokenizer as bpe
from .captions import GRAMMAR, Caption, all_facts, caption, one_object_captions, two_object_captions
from .configs import CONFIGS, GUIDANCE_SCALE, LATENT_SIZE, SEMANTIC_CHANNELS, SEMANTIC_GRID, TEXT_LENGTH
from .dataset import reduce
from .diffusion import sample
from .draw import contact_sheet, draw
from .judge import accuracies, format_table, judge
from .scene import Mix, sample_scene
from .train_semantic import load_encoder
from .train_vqgan import load_vqgan
from .training import autocast, trained
from .words import make_text_encoder

_BATCH = 25


class Sampler:
    def __init__(self, folder: Path, with_prior: bool, device: torch.device):
        self.device = device
        self.vqgan = load_vqgan(folder, device)
        self.tokenizer = bpe.load(folder / "tokenizer")
        second = folder / "decoder.pt"
        self.decoder = self._load(Decoder(**CONFIGS.decoder), trained(second, "decoder"))
        self.encoder = load_encoder(folder, device)
        tokens = folder / "tokenizer"
        self.text = self._load(make_text_encoder(CONFIGS.text_encoder, tokens), trained(second, "text"))
        if with_prior:
            first = folder / "prior.pt"
            self.prior = self._load(Prior(**CONFIGS.prior), trained(first, "prior"))
            self.prior_text = self._load(make_text_encoder(CONFIGS.prior_text_encoder, tokens), trained(first, "text"))
            self.deviation = float(np.load(folder / "embeddings.npy").std())

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
    captions = [Caption(caption(scene, rng, GRAMMAR).text, all_facts(scene)) for scene in scenes]
    return captions, np.stack([draw(scene, rng=rng) for scene in scenes])


def rebuilt(sampler: Sampler, captions: list[Caption], pictures: np.ndarray, steps: int, seed: int) -> np.ndarray:
    """Drawn pictures through the semantic encoder and back through Stages B and A."""
    reduced = torch.from_numpy(np.stack([reduce(picture) for picture in pictures])).to(sampler.device)
    with torch.no_grad():
        image = sampler.encoder(reduced.permute(0, 3, 1, 2).float() / 255)
    return sampler.render(image, [one.text for one in captions], steps, seed)


def imagined(
    sampler: Sampler, captions: list[Caption], steps: int, decoder_steps: int, guidance: float, seed: int
) -> np.ndarray:
    """Pictures from captions through all three stages."""
    texts = [one.text for one in captions]
    return sampler.render(sampler.embed(texts, steps, guidance, seed), texts, decoder_steps, seed)


@torch.no_grad()
def small_sheet(folder: Path, stage: str) -> Image.Image:
    """Sixteen held-out pictures through Stage A and back, or through the semantic encoder and its rebuilder."""
    captions, pictures = drawn_scenes(16, seed=1)
    if stage == "vqgan":
        vqgan = Vqgan(**CONFIGS.vqgan)
        vqgan.load_state_dict(trained(folder / "vqgan.pt", "vqgan"))
        pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
        rebuilt = torch.cat([vqgan.eval().decode(vqgan.encode(one)) for one in pixels.split(4)])
    else:
        rebuilder = Previewer(**CONFIGS.previewer)
        rebuilder.load_state_dict(trained(folder / "semantic.pt", "rebuilder"))
        small = torch.from_numpy(np.stack([reduce(picture) for picture in pictures])).permute(0, 3, 1, 2).float() / 255
        encoder = load_encoder(folder, torch.device("cpu"))
        rebuilt = F.interpolate(rebuilder(encoder(small)), scale_factor=4).clamp(0, 1)
    made = (rebuilt.permute(0, 2, 3, 1).numpy() * 255).round().astype(np.uint8)
    return contact_sheet(list(made), [one.text for one in captions])


def training_sheet(folder: Path, stage: str, device: torch.device) -> Image.Image:
    """What a training in progress can do: sixteen held-out pictures rebuilt, or captions imagined."""
    if stage in ("vqgan", "semantic"):
        return small_sheet(folder, stage)
    sampler = Sampler(folder, stage == "prior", device)
    if stage == "decoder":
        captions, pictures = drawn_scenes(16, seed=1)
        made = rebuilt(sampler, captions, pictures, 12, seed=1)
    else:
        captions = one_object_captions(8, 1, held_out=True) + two_object_captions(8, 1, held_out=True)
        made = imagined(sampler, captions, 29, 12, GUIDANCE_SCALE, seed=1)
    return contact_sheet(list(made), [one.text for one in captions])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(".training"))
    parser.add_argument("--what", choices=["rebuild", "one", "two"], default="one")
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--steps", type=int, default=29, help="of Stage C")
    parser.add_argument("--decoder-steps", type=int, default=12)
    parser.add_argument("--guidance", type=float, default=GUIDANCE_SCALE)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sheet", type=Path, help="where to write a PNG of the pictures")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    sampler = Sampler(options.folder, options.what != "rebuild", torch.device("cpu"))
    if options.what == "rebuild":
        captions, pictures = drawn_scenes(options.count, options.seed)
    else:
        make = one_object_captions if options.what == "one" else two_object_captions
        captions = make(options.count, options.seed, held_out=True)
    made = []
    for start in range(0, options.count, _BATCH):
        part, seed = slice(start, start + _BATCH), options.seed + start
        if options.what == "rebuild":
            made.append(rebuilt(sampler, captions[part], pictures[part], options.decoder_steps, seed))
        else:
            decoder_steps, guidance = options.decoder_steps, options.guidance
            made.append(imagined(sampler, captions[part], options.steps, decoder_steps, guidance, seed))
    shown = np.concatenate(made)
    verdicts = [judge(picture, one.stated) for picture, one in zip(shown, captions, strict=True)]
    print(format_table(accuracies(verdicts)))
    print(f"all right: {sum(verdict.all_right for verdict in verdicts)} of {len(verdicts)}")
    if options.sheet:
        contact_sheet(list(shown), [one.text for one in captions]).save(options.sheet)


if __name__ == "__main__":
    main()
