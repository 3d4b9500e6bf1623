-- Of which sums of moves each affected period is made: a week or half a month of its days, every other of its months.
create temporary table part on commit drop as
select span, since_on::date as since_on, period, period_start
from (select distinct period, period_start from affected) a join period p using (period, period_start)
cross join lateral (select case when period in ('week', 'half_month') then 'day' else 'month' end as span) s
cross join generate_series(p.period_start, p.period_end - 1, ('1 ' || span)::interval) as since_on
