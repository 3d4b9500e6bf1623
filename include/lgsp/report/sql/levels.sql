-- The share of dossiers finished on time by level, this week and the week before.
select k.level, k.kpi_id, k.numerator, k.denominator, k.value, before.value as value_before,
    k.excluded_count, k.quarantined_count, k.definition_version, k.as_of
from history.service_kpi_as_of(${snapshot}) k
left join history.service_kpi_as_of(${snapshot}) before
    on (before.kpi_id, before.organisation_id, before.level, before.period) = (k.kpi_id, k.organisation_id, k.level, k.period)
    and before.period_start = k.period_start - 7
where k.kpi_id = 'on_time' and k.organisation_id = 'ALL' and k.period = 'week' and k.period_start = ${start}
order by array_position(array['ALL', 'province', 'district', 'commune'], k.level)
