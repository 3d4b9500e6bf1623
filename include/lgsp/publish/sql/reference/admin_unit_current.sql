-- One version of each code of an administrative unit: the newest that has begun, or the first where none has.
with data_day as (
    ${data_day}
)
select distinct on (v.admin_unit_code)
    v.admin_unit_code, v.valid_from, v.name, v.level, v.kind, v.parent_code, v.valid_to, v.legal_basis,
    coalesce(v.valid_from <= day_on and (v.valid_to is null or day_on < v.valid_to), false) as is_current, v.name_sort, v.name_search, v.batch_id
from shared.admin_unit v cross join data_day
order by v.admin_unit_code, v.valid_from <= day_on desc nulls last, case when v.valid_from <= day_on then v.valid_from end desc, v.valid_from
