"""Runs the `province` commands as `python -m lgsp_province`, without the rest of the platform."""

from lgsp.cli.encoding import use_utf8
from lgsp_province.cli import province

use_utf8()
province(prog_name="province")
