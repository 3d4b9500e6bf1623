-- Index 766.
select null::text as organisation_id,
    null::text as period,
    null::date as period_start,
    null::text as component,
    null::bigint as numerator,
    null::bigint as denominator,
    null::double precision as value,
    null::double precision as full_at,
    null::double precision as points,
    null::double precision as maximum,
    null::double precision as coverage,
    null::bigint as excluded_count,
    null::bigint as quarantined_count,
    null::text as definition_version,
    null::timestamptz as as_of,
    null::text as batch_id
where false
