"""Stage the records of the portal: agencies, procedures with their offerings, and dossiers."""

from __future__ import annotations

from lgsp.harmonise.context import HarmoniseContext


def harmonise(context: HarmoniseContext) -> None:
    """Stage the records of one landed batch."""
    context.read("agencies", "procedures", "dossiers")
    context.stage_organisations()
    context.stage_services()
    context.stage_offerings()
    context.add_spellings("select DonViXuLy, MaDonViXuLy, local_day(NgayCapNhat) from dossiers")
    context.stage_dossiers()
