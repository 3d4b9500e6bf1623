-- The newest completed month or quarter with a map, or the current one if none is completed.
select period, period_start, metric
from history.institution_map_as_of(${snapshot})
where period in ('month', 'quarter') and period_start < ${end}
group by period, period_start, metric
order by min(as_of) >= (period_start + case period when 'month' then interval '1 month' else interval '3 months' end) at time zone 'Asia/Ho_Chi_Minh' desc,
    metric = 'index_766' desc, period_start desc, period
limit 1
