-- What the document system says.
select null::text as kpi_id,
    null::text as organisation_id,
    null::text as level,
    null::text as period,
    null::date as period_start,
    null::bigint as numerator,
    null::bigint as denominator,
    null::double precision as value,
    null::text as unit,
    null::double precision as target,
    null::boolean as is_plausible,
    null::bigint as excluded_count,
    null::bigint as quarantined_count,
    null::text as definition_version,
    null::timestamptz as as_of,
    null::text as batch_id
where false
