-- The sums of movements that make up each affected period: sums by day for weeks and half-months, sums by month for longer periods.
-- Needs the temporary tables affected and period.
create temporary table period_span on commit drop as
select span, since_on::date as since_on, period, period_start
from (select distinct period, period_start from affected) a join period p using (period, period_start)
cross join lateral (select case when period in ('week', 'half_month') then 'day' else 'month' end as span) s
cross join generate_series(p.period_start, p.period_end - 1, ('1 ' || span)::interval) as since_on
