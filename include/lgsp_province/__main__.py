"""`python -m lgsp_province`: the same commands without the rest of the platform."""

from lgsp_province.cli import province

province(prog_name="province")
