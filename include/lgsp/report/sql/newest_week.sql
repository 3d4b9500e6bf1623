-- The first day of the newest completed week.
select max(period_start) as period_start
from history.service_kpi_as_of(${snapshot})
where period = 'week' and organisation_id = 'ALL' and level = 'ALL'
    and as_of >= (period_start + 7)::timestamp at time zone 'Asia/Ho_Chi_Minh'
