-- The procedures that each agency offers.
select procedure_base(MATTHC) as service_code, MADONVI as organisation_source, MUCDO as online_level,
    TICHHOPDVCQG as is_integrated_national, local_day(NGAYTICHHOP) as integrated_on, local_day(NGAYHIEULUC) as valid_from, local_day(NGAYHETHIEULUC) as valid_to, raw_pointer
from procedures
