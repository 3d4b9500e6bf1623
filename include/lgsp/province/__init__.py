"""A simulated province: three source systems over one coherent, seeded world, with its ground truth."""

from lgsp.province.serving import serve, serving
from lgsp.province.world import World

__all__ = ["World", "serve", "serving"]
