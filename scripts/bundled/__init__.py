"""The bundled small model: its pictures, its captions, its judge and its training."""
