-- How far the data reach into the week, and for how many agencies nothing can be said.
select count(*) as agencies, count(*) filter (where state = 'no_data') as without_data, min(as_of) as as_of
from history.zero_activity_as_of(${snapshot})
where period = 'week' and period_start = ${start} and channel = 'any'
