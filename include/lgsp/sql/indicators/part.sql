-- Of which sums of moves each affected period is made: a week of its days, every other of its months.
create temporary table part on commit drop as
select case period when 'week' then 'day' else 'month' end as span, since_on::date as since_on, period, period_start
from (select distinct period, period_start from affected) a join period p using (period, period_start)
cross join generate_series(p.period_start, p.period_end - 1, case period when 'week' then interval '1 day' else interval '1 month' end) as since_on
