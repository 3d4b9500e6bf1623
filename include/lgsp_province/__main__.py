"""Runs the `province` commands as `python -m lgsp_province`, without the rest of the platform."""

from lgsp_province.cli import province

province(prog_name="province")
