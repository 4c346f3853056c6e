"""Stage B with its semantic encoder and its text encoder: from what a picture means back to Stage A's latents.

The order decides. First only middling noise, where encoder and decoder learn as an autoencoder through the diffusion
head; then all of the schedule, half of it near pure noise, with a little noise on the embeddings, because Stage C's
will not be perfect either.
"""

from __future__ import annotations

import math
import random
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..networks import Decoder, TextEncoder
from . import tokenizer as bpe
from .captions import caption
from .configs import CONFIGS, TEXT_LENGTH
from .diffusion import add_noise, alpha_cumprod
from .scene import Scene
from .semantic_encoder import SemanticEncoder
from .training import Plan, Trainer, compiled

BATCH = 32
AUTOENCODER_STEPS = 1500  # of the plan: only ratios in [0.7, 0.95]
TEXT_DROPOUT = 0.3  # the embeddings must carry the picture by themselves


def initialise(network: Decoder) -> None:
    """The authors' start: small residual branches, no modulation, and an output that says 'all of it is noise'."""
    for name, parameter in network.named_parameters():
        if name.endswith(".mapper.weight"):
            nn.init.zeros_(parameter)
        elif name.endswith(("channelwise.4.weight", "to_out.0.weight")):
            with torch.no_grad():
                parameter.mul_(0.3)
    out = network.clf[1]
    nn.init.zeros_(out.weight)
    nn.init.zeros_(out.bias)
    with torch.no_grad():  # the b channels are the second half: pixel shuffle keeps whole channels together
        out.bias[out.bias.shape[0] // 2 :] = 4.0  # b = sigmoid(4), near one; a = 0


class Captions:
    """Fresh captions of the drawn scenes, tokenised."""

    def __init__(self, tokenizer_folder: Path, scenes: list[Scene], dropout: float):
        self.tokenizer = bpe.load(tokenizer_folder)
        self.scenes = scenes
        self.dropout = dropout

    def __call__(self, indices: list[int], seed: int) -> tuple[Tensor, Tensor]:
        """(B, T) ids and mask."""
        rng = random.Random(seed)
        texts = ["" if rng.random() < self.dropout else caption(self.scenes[index], rng).text for index in indices]
        encoded = [bpe.encode(self.tokenizer, text, TEXT_LENGTH) for text in texts]
        return torch.tensor([ids for ids, _ in encoded]), torch.tensor([mask for _, mask in encoded])


def make_text_encoder(config: dict, tokenizer_folder: Path) -> TextEncoder:
    encoder = TextEncoder(vocab_size=bpe.load(tokenizer_folder).get_vocab_size(), **config)
    nn.init.normal_(encoder.text_model.embeddings.token_embedding.weight, std=0.5)
    nn.init.normal_(encoder.text_model.embeddings.position_embedding.weight, std=0.1)
    return encoder


def load_encoder(folder: Path, device: torch.device) -> SemanticEncoder:
    """The semantic encoder as Stage B was trained on it: it no longer changes after the first part, so its weights are
    the plain ones, not their running average.
    """
    state = torch.load(folder / "decoder.pt", weights_only=True, map_location=device)
    if state["step"] < AUTOENCODER_STEPS:
        raise ValueError(f"Expected at least {AUTOENCODER_STEPS} steps of Stage B but received {state['step']}")
    prefix = "encoder."
    own = {key.removeprefix(prefix): value for key, value in state["modules"].items() if key.startswith(prefix)}
    encoder = SemanticEncoder().to(device)
    encoder.load_state_dict(own)
    return encoder.eval()


def draw_ratios(step: int, count: int, generator: torch.Generator) -> Tensor:
    uniform = torch.rand(count, generator=generator)
    if step < AUTOENCODER_STEPS:
        return 0.7 + 0.25 * uniform
    high = torch.rand(count, generator=generator) < 0.6
    return torch.where(high, 1 - 0.35 * uniform.square(), uniform).clamp(0.001, 1)


def decoder_loss(predicted: Tensor, noise: Tensor, ratios: Tensor) -> Tensor:
    """Squared error of the noise, weighted towards that of the clean latents it implies; (B,)."""
    share = alpha_cumprod(ratios)
    weight = ((1 - share) / share).clamp(max=25)
    return weight * (predicted.float() - noise).square().mean(dim=(1, 2, 3))


def train_decoder(
    folder: Path,
    reduced: np.ndarray,
    latents: np.ndarray,
    scenes: list[Scene],
    device: torch.device,
    seed: int = 2,
    steps: int = 7_000,
    until: float = math.inf,
    compile: bool = False,
) -> bool:
    torch.manual_seed(seed)
    decoder = Decoder(**CONFIGS.decoder)
    initialise(decoder)
    modules = nn.ModuleDict(
        {
            "encoder": SemanticEncoder(),
            "text": make_text_encoder(CONFIGS.text_encoder, folder / "tokenizer"),
            "decoder": decoder,
        }
    )
    trainer = Trainer("decoder", folder, modules, Plan(steps, 1e-3, warmup=200), seed, device)
    captions = Captions(folder / "tokenizer", scenes, TEXT_DROPOUT)
    height, width = latents.shape[-2:]

    def encode_pictures(pictures: Tensor) -> Tensor:  # (B, 96, 96, 3) uint8 -> (B, 16, 6, 6)
        return modules["encoder"](pictures.permute(0, 3, 1, 2).float() / 255)

    def predict_noise(ids: Tensor, mask: Tensor, image: Tensor, noisy: Tensor, ratios: Tensor) -> Tensor:
        text = modules["text"].encode(ids, mask)
        condition = decoder.condition(text, image, height, width)
        return decoder.step(noisy, decoder.modulate(ratios), condition)

    predict_noise = compiled(predict_noise, compile)

    def loss(step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        chosen = torch.randint(len(latents), (BATCH,), generator=generator).tolist()
        clean = torch.from_numpy(np.stack([latents[index] for index in chosen])).to(device).float()
        pictures = torch.from_numpy(np.stack([reduced[index] for index in chosen])).to(device)
        ids, mask = captions(chosen, seed * 7_000_003 + step)
        ratios = draw_ratios(step, BATCH, generator).to(device)
        noise = torch.randn(clean.shape, generator=generator).to(device)
        frozen = step >= AUTOENCODER_STEPS  # from here on Stage C can be trained on the same embeddings
        with torch.set_grad_enabled(not frozen):
            image = encode_pictures(pictures)
        if frozen:
            amount = 0.15 * torch.rand(BATCH, 1, 1, 1, generator=generator)
            image = image + (amount * torch.randn(image.shape, generator=generator)).to(device)
            kept = (torch.rand(BATCH, 1, 1, 1, generator=generator) > 0.05).to(device)
            image = image * kept
        noisy = add_noise(clean, noise, ratios)
        predicted = predict_noise(ids.to(device), mask.to(device), image, noisy, ratios)
        value = decoder_loss(predicted, noise, ratios)
        with torch.no_grad():
            share = alpha_cumprod(ratios).view(-1, 1, 1, 1)
            implied = (noisy - (1 - share).sqrt() * predicted) / share.sqrt()
            middling = (ratios > 0.7) & (ratios < 0.95)
            error = F.mse_loss(implied[middling], clean[middling]).item() if middling.any() else 0.0
        return value.mean(), {"clean": error}

    return trainer.run(loss, until)
