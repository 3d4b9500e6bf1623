"""A simulated province: three source systems over one coherent, seeded world, with its ground truth."""

from lgsp_province.systems.serving import serve, serving
from lgsp_province.world.world import World

__all__ = ["World", "serve", "serving"]
