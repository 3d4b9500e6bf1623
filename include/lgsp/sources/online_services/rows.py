"""What the portal's lists become: organisations, services with their offerings, and dossiers."""

from __future__ import annotations

from lgsp.workbench import Workbench

ORGANISATIONS = """
select MADONVI as code, TENDONVI as name, level(trim(CAPDONVI)) as level, filled(MADONVICHA) as parent_code, raw_pointer
from agencies
"""

# The catalogue has a row for each agency that offers a procedure; the procedure itself is what they agree on.
SERVICES = """
select procedure_base(MATTHC) as service_code, clean(max(TENTTHC)) as name,
    max(filled(MALINHVUC)) as field_code, clean(max(TENLINHVUC)) as field_name, null::varchar as level,
    max(try_cast(MUCDO as integer)) as online_level, bool_or(yes(TICHHOPDVCQG)) as is_integrated_national,
    min(day_compact(NGAYTICHHOP)) as integrated_on, null::double as standard_days,
    min(day_compact(NGAYHIEULUC)) as valid_from,
    case when count(*) = count(day_compact(NGAYHETHIEULUC)) then max(day_compact(NGAYHETHIEULUC)) end as valid_to,
    min(raw_pointer) as raw_pointer
from procedures group by 1
"""

OFFERINGS = """
select procedure_base(MATTHC) as service_code, MADONVI as organisation_source, try_cast(MUCDO as integer) as online_level,
    yes(TICHHOPDVCQG) as is_integrated_national, day_compact(NGAYHIEULUC) as valid_from,
    day_compact(NGAYHETHIEULUC) as valid_to, raw_pointer
from procedures
"""


def harmonise(bench: Workbench) -> None:
    """Stage the records of one landed batch."""
    bench.open("agencies", "procedures", "dossiers")
    bench.organisations(ORGANISATIONS)
    bench.services(SERVICES)
    bench.offerings(OFFERINGS)
    bench.spell("select DonViXuLy, MaDonViXuLy, local_day(compact_local(NgayCapNhat)) from dossiers")
    bench.dossiers()
