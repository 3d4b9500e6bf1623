"""What the one-stop-shop's lists become: organisations, services and dossiers."""

from __future__ import annotations

from lgsp.workbench import Workbench

ORGANISATIONS = """
select child.code, name_vi(child.name) as name, level(trim(child.level.code)) as level, mother.code as parent_code, child.raw_pointer
from agencies child left join agencies mother on mother.id = child.parent.id
"""

# Time is in days or in hours of an eight-hour day.
SERVICES = """
select procedure_base(code) as service_code, clean(name_vi(translate)) as name,
    filled(sector.code) as field_code, clean(name_vi(sector.name)) as field_name,
    level(trim(agencyLevel.code)) as level, try_cast(procedureLevel.id as integer) as online_level,
    yes(isIntegratedNational) as is_integrated_national, local_day(utc(integratedDate)) as integrated_on,
    try_cast(processingTime as double) / case when processingTimeUnit = 'h' then 8 else 1 end as standard_days,
    null::date as valid_from, case when yes(isActive) = false then local_day(utc(modifiedDate)) end as valid_to, raw_pointer
from procedures
"""


def harmonise(bench: Workbench) -> None:
    """Stage the records of one landed batch."""
    bench.open("agencies", "procedures", "dossiers")
    bench.organisations(ORGANISATIONS)
    bench.services(SERVICES)
    bench.spell("select name_vi(agency.name), agency.code, local_day(utc(modifiedDate)) from dossiers")
    bench.spell(
        "select name_vi(competentAgency.name), competentAgency.code, local_day(utc(modifiedDate)) from dossiers"
    )
    bench.dossiers()
