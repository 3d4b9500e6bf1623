"""What the one-stop-shop's lists become: organisations, services and dossiers."""

from __future__ import annotations

from lgsp.harmonise.context import Workbench

ORGANISATIONS = """
select child.code, child.name, child.level.code as level, mother.code as parent_code, child.raw_pointer
from agencies child left join agencies mother on mother.id = child.parent.id
"""

# Time is in days or in hours of an eight-hour day.
SERVICES = """
select procedure_base(code) as service_code, translate as name, sector.code as field_code, sector.name as field_name,
    agencyLevel.code as level, procedureLevel.id as online_level, isIntegratedNational as is_integrated_national,
    local_day(integratedDate) as integrated_on, processingTime / case when processingTimeUnit = 'h' then 8 else 1 end as standard_days,
    null::date as valid_from, case when not isActive then local_day(modifiedDate) end as valid_to, raw_pointer
from procedures
"""


def harmonise(bench: Workbench) -> None:
    """Stage the records of one landed batch."""
    bench.open("agencies", "procedures", "dossiers")
    bench.organisations(ORGANISATIONS)
    bench.services(SERVICES)
    bench.spell("select agency.name, agency.code, local_day(modifiedDate) from dossiers")
    bench.spell("select competentAgency.name, competentAgency.code, local_day(modifiedDate) from dossiers")
    bench.dossiers()
