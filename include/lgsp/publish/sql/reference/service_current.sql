-- One version of each procedure: the newest that has begun, or the first where none has.
with data_day as (
    ${data_day}
)
select distinct on (v.service_code)
    v.service_code, v.valid_from, v.name, v.field_code, v.field_name, v.level, v.online_level, v.online_mode, v.is_integrated_national,
    v.integrated_on, v.standard_days, v.valid_to,
    coalesce(v.valid_from <= day_on and (v.valid_to is null or day_on < v.valid_to), false) as is_current, v.name_sort, v.name_search, v.batch_id
from shared.service v cross join data_day
order by v.service_code, v.valid_from <= day_on desc nulls last, case when v.valid_from <= day_on then v.valid_from end desc, v.valid_from
