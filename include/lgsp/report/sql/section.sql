-- A section of the digest, with the values of the week before.
with agency as (
    select distinct on (organisation_id) organisation_id, name, parent_id
    from history.organisation_as_of(${snapshot}) where valid_from < ${end} order by organisation_id, valid_from desc
)
select d.rank, d.organisation_id, coalesce(a.name, d.organisation_id) as name, above.name as above, d.level, d.kpi_id,
    d.numerator, d.denominator, d.value, d.value_before, d.state, d.state_before, d.text_vi, d.text_en,
    d.excluded_count, d.quarantined_count, d.definition_version, d.as_of
from history.weekly_digest_as_of(${snapshot}) d
left join agency a on a.organisation_id = d.organisation_id
left join agency above on above.organisation_id = a.parent_id
where d.period_start = ${start} and d.section = ${section}
order by d.rank
