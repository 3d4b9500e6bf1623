-- The online share of the province, week by week.
select period_start, kpi_id, numerator, denominator, value, excluded_count, quarantined_count, definition_version, as_of
from history.service_kpi_as_of(${snapshot})
where kpi_id in ('online_share', 'online_share_all') and organisation_id = 'ALL' and level = 'ALL'
    and period = 'week' and period_start between ${first} and ${start}
order by kpi_id, period_start
