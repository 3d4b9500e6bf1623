"""Simulates a province: three source systems that serve one consistent, seeded world, and its ground truth."""

from lgsp_province.systems.serving import serve, serving
from lgsp_province.world.world import World

__all__ = ["World", "serve", "serving"]
