"""The networks of Würstchen: Stage A, B, C and the CLIP text encoder, written to be exported; and the previewer, which is ours.

Parameter names and shapes equal those of the hub's checkpoints. Feature maps are channels-last inside,
`(B, H, W, C)`: every linear and norm then works on the last axis, and a convolution sees the same memory as a
channels-last NCHW tensor, so no layout is ever copied.
"""

from .decoder import Decoder
from .previewer import Previewer
from .prior import Prior
from .text_encoder import TextEncoder
from .vqgan import Vqgan

__all__ = ["Decoder", "Previewer", "Prior", "TextEncoder", "Vqgan"]
