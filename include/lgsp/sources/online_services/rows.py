"""What the portal's lists become: organisations, services with their offerings, and dossiers."""

from __future__ import annotations

from lgsp.harmonise.context import Workbench

ORGANISATIONS = """
select MADONVI as code, TENDONVI as name, CAPDONVI as level, MADONVICHA as parent_code, raw_pointer from agencies
"""

# The catalogue has a row for each agency that offers a procedure; the procedure itself is what they agree on.
SERVICES = """
select procedure_base(MATTHC) as service_code, max(TENTTHC) as name, max(MALINHVUC) as field_code, max(TENLINHVUC) as field_name,
    null::varchar as level, max(MUCDO) as online_level, bool_or(TICHHOPDVCQG) as is_integrated_national,
    min(local_day(NGAYTICHHOP)) as integrated_on, null::double as standard_days, min(local_day(NGAYHIEULUC)) as valid_from,
    case when count(*) = count(NGAYHETHIEULUC) then max(local_day(NGAYHETHIEULUC)) end as valid_to, min(raw_pointer) as raw_pointer
from procedures group by 1
"""

OFFERINGS = """
select procedure_base(MATTHC) as service_code, MADONVI as organisation_source, MUCDO as online_level,
    TICHHOPDVCQG as is_integrated_national, local_day(NGAYTICHHOP) as integrated_on, local_day(NGAYHIEULUC) as valid_from, local_day(NGAYHETHIEULUC) as valid_to, raw_pointer
from procedures
"""


def harmonise(bench: Workbench) -> None:
    """Stage the records of one landed batch."""
    bench.open("agencies", "procedures", "dossiers")
    bench.organisations(ORGANISATIONS)
    bench.services(SERVICES)
    bench.offerings(OFFERINGS)
    bench.spell("select DonViXuLy, MaDonViXuLy, local_day(NgayCapNhat) from dossiers")
    bench.dossiers()
