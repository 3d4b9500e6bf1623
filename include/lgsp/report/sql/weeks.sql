-- The online share of each agency at province and district level, over twelve weeks.
with agency as (
    select distinct on (organisation_id) organisation_id, name
    from history.organisation_as_of(${snapshot}) where valid_from < ${end} order by organisation_id, valid_from desc
)
select k.organisation_id, coalesce(a.name, k.organisation_id) as name, k.level, k.period_start, k.kpi_id,
    k.numerator, k.denominator, k.value, k.definition_version, k.as_of
from history.service_kpi_as_of(${snapshot}) k left join agency a using (organisation_id)
where k.kpi_id = ${kpi} and k.organisation_id <> 'ALL' and k.level in ('province', 'district')
    and k.period = 'week' and k.period_start between ${first} and ${start}
order by k.level desc, name collate "C", k.organisation_id, k.period_start
