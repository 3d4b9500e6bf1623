-- One version of each agency: the newest that has begun, or the first where none has.
with data_day as (
    ${data_day}
)
select distinct on (v.organisation_id)
    v.organisation_id, v.valid_from, v.code_old, v.code_new, v.name, v.level, v.kind, v.parent_id, v.admin_unit_code, v.valid_to, v.is_current,
    v.successor_id, v.name_sort, v.name_search, v.batch_id
from shared.organisation v cross join data_day
order by v.organisation_id, v.valid_from <= day_on desc nulls last, case when v.valid_from <= day_on then v.valid_from end desc, v.valid_from
