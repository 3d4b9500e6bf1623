-- The territory of each agency by day: before its first version it is that of the first.
select organisation_id, admin_unit_code, admin_unit_now, unit_until,
    case when lag(valid_from) over past is null then '-infinity' else valid_from end as from_on,
    coalesce(lead(valid_from) over past, 'infinity') as until_on
from record.organisation_version window past as (partition by organisation_id order by valid_from)
