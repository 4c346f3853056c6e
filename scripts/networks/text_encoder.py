"""CLIP's text model: token ids -> the hidden state of every position after the final norm."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SelfAttention(nn.Module):
    def __init__(self, channels: int, heads: int):
        super().__init__()
        self.heads = heads
        self.k_proj = nn.Linear(channels, channels)
        self.v_proj = nn.Linear(channels, channels)
        self.q_proj = nn.Linear(channels, channels)
        self.out_proj = nn.Linear(channels, channels)

    def split(self, x: Tensor) -> Tensor:  # (B, T, C) -> (B, heads, T, head_dim)
        return x.unflatten(-1, [self.heads, -1]).transpose(1, 2)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:  # (B, T, C), (B, 1, T, T)
        q, k, v = self.split(self.q_proj(x)), self.split(self.k_proj(x)), self.split(self.v_proj(x))
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.out_proj(attended.transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    def __init__(self, channels: int, hidden: int, activation: str):
        super().__init__()
        if activation not in ("gelu", "quick_gelu"):
            raise ValueError(f"Expected hidden_act to be gelu or quick_gelu but received {activation}")
        self.quick = activation == "quick_gelu"
        self.fc1 = nn.Linear(channels, hidden)
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.fc1(x)
        return self.fc2(x * torch.sigmoid(1.702 * x) if self.quick else F.gelu(x))


class Layer(nn.Module):
    def __init__(self, channels: int, heads: int, hidden: int, activation: str, epsilon: float):
        super().__init__()
        self.self_attn = SelfAttention(channels, heads)
        self.layer_norm1 = nn.LayerNorm(channels, eps=epsilon)
        self.mlp = Mlp(channels, hidden, activation)
        self.layer_norm2 = nn.LayerNorm(channels, eps=epsilon)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = x + self.self_attn(self.layer_norm1(x), mask)
        return x + self.mlp(self.layer_norm2(x))


class Embeddings(nn.Module):
    def __init__(self, vocabulary: int, positions: int, channels: int):
        super().__init__()
        self.token_embedding = nn.Embedding(vocabulary, channels)
        self.position_embedding = nn.Embedding(positions, channels)

    def forward(self, ids: Tensor) -> Tensor:  # (B, T) -> (B, T, C)
        return self.token_embedding(ids) + self.position_embedding.weight[: ids.shape[1]]


class Encoder(nn.Module):
    def __init__(self, layers: int, channels: int, heads: int, hidden: int, activation: str, epsilon: float):
        super().__init__()
        self.layers = nn.ModuleList([Layer(channels, heads, hidden, activation, epsilon) for _ in range(layers)])

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x, mask)
        return x


class TextModel(nn.Module):
    """The hub's `text_model.` prefix."""

    def __init__(
        self,
        vocab_size: int,
        max_position_embeddings: int,
        hidden_size: int,
        num_hidden_layers: int,
        num_attention_heads: int,
        intermediate_size: int,
        hidden_act: str,
        layer_norm_eps: float,
    ):
        super().__init__()
        self.embeddings = Embeddings(vocab_size, max_position_embeddings, hidden_size)
        self.encoder = Encoder(
            num_hidden_layers, hidden_size, num_attention_heads, intermediate_size, hidden_act, layer_norm_eps
        )
        self.final_layer_norm = nn.LayerNorm(hidden_size, eps=layer_norm_eps)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        length = ids.shape[1]
        causal = torch.ones(length, length, dtype=torch.bool, device=ids.device).tril()
        visible = causal[None, None] & (mask > 0)[:, None, None, :]  # (B, 1, T, T)
        return self.final_layer_norm(self.encoder(self.embeddings(ids), visible))


class TextEncoder(nn.Module):
    def __init__(
        self,
        vocab_size: int = 49408,
        max_position_embeddings: int = 77,
        hidden_size: int = 512,
        num_hidden_layers: int = 12,
        num_attention_heads: int = 8,
        intermediate_size: int = 2048,
        hidden_act: str = "quick_gelu",
        layer_norm_eps: float = 1e-5,
    ):
        super().__init__()
        self.text_model = TextModel(
            vocab_size,
            max_position_embeddings,
            hidden_size,
            num_hidden_layers,
            num_attention_heads,
            intermediate_size,
            hidden_act,
            layer_norm_eps,
        )

    @torch.jit.export
    def encode(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Token ids and mask (1 = attend, 0 = padding), both (B, T) int64 -> hidden states (B, T, hidden_size)."""
        return self.text_model(ids, mask)
