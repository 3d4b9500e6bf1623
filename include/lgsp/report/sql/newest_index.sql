-- The first day of the newest completed period of this type.
select max(period_start) as period_start
from history.index_766_as_of(${snapshot})
where period = ${period} and organisation_id = 'ALL' and component = 'total'
    and as_of >= (period_start + ${length}::interval) at time zone 'Asia/Ho_Chi_Minh'
