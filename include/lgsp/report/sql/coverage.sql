-- The time up to which the data of the week reach, and the number of agencies without enough data.
select count(*) as agencies, count(*) filter (where state = 'no_data') as without_data, min(as_of) as as_of
from history.zero_activity_as_of(${snapshot})
where period = 'week' and period_start = ${start} and channel = 'any'
