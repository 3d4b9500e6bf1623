-- The procedures that the source lists. The catalogue has a row for each agency that offers a procedure; the rows are merged.
select procedure_base(MATTHC) as service_code, max(TENTTHC) as name, max(MALINHVUC) as field_code, max(TENLINHVUC) as field_name,
    null::varchar as level, max(MUCDO) as online_level, bool_or(TICHHOPDVCQG) as is_integrated_national,
    min(local_day(NGAYTICHHOP)) as integrated_on, null::double as standard_days, min(local_day(NGAYHIEULUC)) as valid_from,
    case when count(*) = count(NGAYHETHIEULUC) then max(local_day(NGAYHETHIEULUC)) end as valid_to, min(raw_pointer) as raw_pointer
from procedures group by 1
