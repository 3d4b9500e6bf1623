-- The ratios of agencies of one kind of period. Where two definitions measure one period, the newest one counts.
select distinct on (k.kpi_id, k.organisation_id, k.period_start) k.*
from ${service_kpi_named} k
join ${organisation_current} o using (organisation_id)
left join ${indicator_definition} i using (kpi_id, definition_version)
where k.period = '${period}'
order by k.kpi_id, k.organisation_id, k.period_start, i.valid_from desc nulls last, k.definition_version desc, k.level
