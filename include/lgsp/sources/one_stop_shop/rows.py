"""Stage the records of the one-stop-shop: agencies, procedures and dossiers."""

from __future__ import annotations

from lgsp.harmonise.context import HarmoniseContext


def harmonise(context: HarmoniseContext) -> None:
    """Stage the records of one landed batch."""
    context.read("agencies", "procedures", "dossiers")
    context.stage_organisations()
    context.stage_services()
    context.add_spellings("select agency.name, agency.code, local_day(modifiedDate) from dossiers")
    context.add_spellings("select competentAgency.name, competentAgency.code, local_day(modifiedDate) from dossiers")
    context.stage_dossiers()
