-- The components of the index for each agency in force in the period.
select i.organisation_id, i.component, w.group_code, w.name_vi, w.name_en, w.kpi_id, i.numerator, i.denominator, i.value, i.full_at, i.points, i.maximum,
    i.excluded_count, i.quarantined_count, i.definition_version, i.as_of
from history.index_766_as_of(${snapshot}) i
join history.index_766_weight_as_of(${snapshot}) w
    on w.component = i.component and w.valid_from < ${end} and coalesce(w.valid_to, 'infinity') >= ${end}
where i.period = ${period} and i.period_start = ${start}
order by i.organisation_id, i.component
