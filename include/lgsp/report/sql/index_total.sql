-- The index of each agency in force in the period, its rank within its level, and its index in the previous period.
with agency as (
    select distinct on (organisation_id) organisation_id, name, level, parent_id
    from history.organisation_as_of(${snapshot}) where valid_from < ${end} order by organisation_id, valid_from desc
)
select i.organisation_id, coalesce(a.name, i.organisation_id) as name, above.name as above, coalesce(a.level, 'ALL') as level,
    case when a.level is not null and i.value is not null and is_covered then rank() over (partition by a.level, is_covered order by i.value desc nulls last) end as rank,
    i.points, i.maximum, i.value, i.coverage, before.value as value_before, class.scope as class, class.colour,
    i.excluded_count, i.quarantined_count, i.definition_version, i.as_of
from history.index_766_as_of(${snapshot}) i
-- an index of few components says too little for a class or a rank
cross join lateral (
    select coalesce(i.coverage >= (select value from history.indicator_threshold_as_of(${snapshot})
        where threshold_id = 'index_coverage' and valid_from < ${end} and coalesce(valid_to, 'infinity') >= ${end}), false) as is_covered
) bound
left join agency a on a.organisation_id = i.organisation_id
left join agency above on above.organisation_id = a.parent_id
left join history.index_766_as_of(${snapshot}) before
    on before.organisation_id = i.organisation_id and before.component = 'total' and before.period = ${period}
    and before.period_start = (${start} - ${length}::interval)::date
left join lateral (
    select scope, colour from history.indicator_threshold_as_of(${snapshot})
    where is_covered and threshold_id = 'institution_class' and valid_from < ${end} and coalesce(valid_to, 'infinity') >= ${end}
        and i.points::numeric * 100 >= value::numeric * i.maximum::numeric  -- compared as decimals: 57 of 100 is exactly 57
    order by value desc limit 1
) class on true
where i.period = ${period} and i.period_start = ${start} and i.component = 'total'
order by array_position(array['ALL', 'province', 'district', 'commune'], coalesce(a.level, 'ALL')), rank nulls last, name, i.organisation_id
