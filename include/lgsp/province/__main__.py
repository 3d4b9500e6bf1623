"""`python -m lgsp.province`: the same commands without the rest of the platform."""

from lgsp.province.cli import province

province(prog_name="province")
