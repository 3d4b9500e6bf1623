-- Institution map.
select null::text as admin_unit_code,
    null::text as period,
    null::date as period_start,
    null::text as metric,
    null::text as organisation_id,
    null::double precision as numerator,
    null::double precision as denominator,
    null::double precision as value,
    null::text as class,
    null::text as colour,
    null::bigint as excluded_count,
    null::bigint as quarantined_count,
    null::text as definition_version,
    null::timestamptz as as_of,
    null::text as batch_id
where false
