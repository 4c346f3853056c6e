"""Stage C: from a caption to the image embeddings that the semantic encoder would give.

Its text encoder stays as it is, as the real one's CLIP did. Trained along, it forgot within some thousand steps which
word stands where, before Stage C had begun to use it, and relations were never learnt.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..networks import Prior
from .configs import CONFIGS
from .dataset import Drawings
from .diffusion import add_noise, alpha_cumprod
from .grounding import PlacedCaptions, mistaken, step_attending
from .scene import Scene
from .training import Plan, Trainer, compiled, trained
from .words import Captions, make_text_encoder

BATCH = 96
CAPTION_DROPOUT = 0.05  # what guidance needs
ASKING = 0.2  # the weight of asking the right words
LEAST_DIVISOR = 0.5  # of the noise's deviation, which a perfect prediction divides by
STEADYING = 10.0  # the weight of dividing by that much
OVERSHOT = 6  # one sample of so many is seen again as guidance would exaggerate it, to be divided by enough there, too
LAYOUT = 0.5  # below pure noise: there layout is decided, then shapes; at lower ratios both can be seen


def initialise(prior: Prior) -> None:
    """The authors' start: small residual branches and an output that predicts x itself."""
    for name, parameter in prior.named_parameters():
        if name.endswith((".mapper.weight", "out.1.weight", "out.1.bias")):
            nn.init.zeros_(parameter)
        elif name.endswith(("channelwise.4.weight", "to_out.0.weight")):
            with torch.no_grad():
                parameter.mul_(0.3)


def draw_ratios(count: int, generator: torch.Generator) -> Tensor:
    uniform = torch.rand(count, generator=generator)
    high = torch.rand(count, generator=generator) < 0.5
    return torch.where(high, 1 - 0.35 * uniform.square(), uniform).clamp(0.001, 1)


def noise_loss(error: Tensor, ratios: Tensor) -> Tensor:
    """Of the mean squared error of the noise (B,)."""
    share = alpha_cumprod(ratios)
    weight = ((1 - share) / share).clamp(0.3, 10)
    # The network divides by |1 - b|: where that is tiny, one sample would outweigh all others.
    return weight * (error / (1 + error / 5))


def unsteady(divisor: Tensor, ratios: Tensor) -> Tensor:
    """How far the network divides by less than it ever has to. Where that comes near zero a sampled picture explodes, and
    the saturated error does not mind: one in seven did, of a caption that was unlucky."""
    deviation = (1 - alpha_cumprod(ratios)).sqrt().view(-1, 1, 1, 1)
    return (1 - divisor / (LEAST_DIVISOR * deviation)).clamp(min=0).square().sum(dim=(1, 2, 3)).mean()


def overshoot(clean: Tensor, generator: torch.Generator) -> Tensor:
    """Embeddings as guidance exaggerates them: up to three times as large."""
    return clean * (1 + 2 * torch.rand(len(clean), 1, 1, 1, generator=generator).to(clean.device))


def layout_loss(error: Tensor, ratios: Tensor) -> Tensor:
    """The error of the clean embeddings that the noise implies: near pure noise the noise itself hardly tells a right
    layout from a wrong one."""
    share = alpha_cumprod(ratios)
    implied = error * (1 - share) / share
    return implied / (1 + implied / 2)


def train_prior(
    folder: Path,
    embeddings: np.ndarray,
    drawings: Drawings,
    scenes: list[Scene],
    device: torch.device,
    seed: int = 3,
    steps: int = 10_000,
    until: float = math.inf,
    report: Callable[[], None] | None = None,
    compile: bool = False,
    start: Path | None = None,
    rate: float = 6e-4,
    batch: int = BATCH,
    layout: float = 0.0,
) -> bool:
    """`embeddings` (count, 16, 6, 6): normalised to unit deviation over all. `start`: a folder with a trained Stage C.
    `layout`: the share of each batch that learns who stands where and nothing else: one or two things, near pure noise."""
    torch.manual_seed(seed)
    prior = Prior(**CONFIGS.prior)
    if start is None:
        initialise(prior)
    else:
        prior.load_state_dict(trained(start / "prior.pt", "prior"))
    modules = nn.ModuleDict(
        {"text": make_text_encoder(CONFIGS.prior_text_encoder, folder / "tokenizer"), "prior": prior}
    )
    taught = folder / "text.pt" if start is None or (folder / "text.pt").exists() else start / "prior.pt"
    modules["text"].load_state_dict(trained(taught, "text"))
    modules["text"].requires_grad_(False)
    trainer = Trainer("prior", folder, modules, Plan(steps, rate, warmup=min(300, steps // 10)), seed, device)
    captions = Captions(folder / "tokenizer", scenes, CAPTION_DROPOUT)
    placed = PlacedCaptions(folder / "tokenizer", drawings, scenes)
    of_layout = round(batch * layout)

    def predict_noise(ids: Tensor, mask: Tensor, noisy: Tensor, ratios: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        text = modules["text"].encode(ids, mask)
        return step_attending(prior, noisy, prior.modulate(ratios), prior.condition(text))

    predict_noise = compiled(predict_noise, compile)

    def loss(step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        chosen = torch.randint(len(embeddings), (batch - of_layout,), generator=generator).tolist()
        ids, mask = captions(chosen, seed * 7_000_003 + step)
        ratios = draw_ratios(len(chosen), generator)
        some = torch.randint(len(placed.indices), (of_layout,), generator=generator).tolist()
        pairs = [placed.indices[one] for one in some]
        if pairs:
            more_ids, more_mask, words = placed(pairs, seed * 7_000_003 + step)
            ids, mask = torch.cat([ids, more_ids]), torch.cat([mask, more_mask])
            ratios = torch.cat([ratios, 1 - LAYOUT * torch.rand(of_layout, generator=generator)])
        clean = torch.from_numpy(embeddings[chosen + pairs]).to(device).float()
        ratios = ratios.to(device)
        noise = torch.randn(clean.shape, generator=generator).to(device)
        noisy = add_noise(clean, noise, ratios)
        again = slice(0, None, OVERSHOT)
        overshot = add_noise(overshoot(clean[again], generator), noise[again], ratios[again])
        ids, mask, all_ratios = (torch.cat([one.to(device), one[again].to(device)]) for one in (ids, mask, ratios))
        predicted, divisor, asking = predict_noise(ids, mask, torch.cat([noisy, overshot]), all_ratios)
        predicted, asking = predicted[:batch], asking[:batch]
        error = (predicted.float() - noise).square().mean(dim=(1, 2, 3))
        every, pair = slice(len(chosen)), slice(len(chosen), batch)
        of_noise = noise_loss(error[every], ratios[every])
        steadying = STEADYING * unsteady(divisor.float(), all_ratios)
        if not pairs:
            return of_noise.mean() + steadying, {"unsteady": steadying.item()}
        of_pairs = layout_loss(error[pair], ratios[pair])
        lost = mistaken(asking[pair].float(), placed.cells(pairs).to(device), words.to(device))
        value = torch.cat([of_noise, of_pairs]).mean() + ASKING * layout * lost + steadying
        parts = {"noise": of_noise.mean(), "layout": of_pairs.mean(), "mistaken": lost, "unsteady": steadying}
        return value, {name: part.item() for name, part in parts.items()}

    return trainer.run(loss, until, report)
