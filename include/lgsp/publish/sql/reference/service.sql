-- Procedures in time: a version for each span in which no list changed what it says of one. Each attribute comes from the first dossier
-- source that has a value; only the portal has the start of validity. The newest list decides when a procedure ends. Needs the temporary table
-- name_key.
with listed as (
    select s.*, role, precedence, coalesce(r.run_from, '-infinity') as listed_from, coalesce(r.run_to, 'infinity') as listed_to
    from record.service s join ledger.source using (source)
    left join record.list_run r on (r.kind, r.source, r.source_key, r.content_hash) = ('service', s.source, s.source_key, s.content_hash)
    where role in ('one_stop', 'portal') and (r.content_hash is not null or not exists (
        select from record.list_run any_run where (any_run.kind, any_run.source, any_run.source_key) = ('service', s.source, s.source_key)
    ))
), cut as (
    select service_code, listed_from as cut_on from listed union select service_code, listed_to from listed
), span as (
    select service_code, cut_on as span_from, lead(cut_on) over (partition by service_code order by cut_on) as span_to from cut
), merged as (
    select service_code, span_from, span_to,
        (array_agg(valid_from order by precedence) filter (where valid_from is not null))[1] as valid_from,
        (array_agg(name order by precedence) filter (where name is not null))[1] as name,
        (array_agg(field_code order by precedence) filter (where field_code is not null))[1] as field_code,
        (array_agg(field_name order by precedence) filter (where field_name is not null))[1] as field_name,
        (array_agg(level order by precedence) filter (where level is not null))[1] as level,
        (array_agg(online_level order by precedence) filter (where online_level is not null))[1] as online_level,
        (array_agg(is_integrated_national order by precedence) filter (where is_integrated_national is not null))[1] as is_integrated_national,
        (array_agg(integrated_on order by precedence) filter (where integrated_on is not null))[1] as integrated_on,
        (array_agg(standard_days order by precedence) filter (where standard_days is not null))[1] as standard_days,
        (array_agg(valid_to order by precedence) filter (where valid_to is not null))[1] as valid_to,
        (array_agg(batch_id order by precedence) filter (where batch_id is not null))[1] as batch_id
    from span join listed using (service_code)
    where span_to is not null and listed_from <= span_from and listed_to >= span_to
    group by service_code, span_from, span_to
), attributed as (
    select *, md5(row(name, field_code, field_name, level, online_level, is_integrated_national, integrated_on, standard_days)::text) as content,
        last_value(valid_to) over whole as ends_on, first_value(valid_from) over whole as begins_on
    from merged where name is not null
    window whole as (partition by service_code order by span_from rows between unbounded preceding and unbounded following)
), island as (
    select *, sum(is_first::integer) over (partition by service_code order by span_from) as number
    from (
        select *, not coalesce(content = lag(content) over past and span_from = lag(span_to) over past, false) as is_first
        from attributed window past as (partition by service_code order by span_from)
    ) marked
), joined as (
    select *, min(span_from) over same as island_from, max(span_to) over same as island_to,
        number = max(number) over (partition by service_code) as is_last, row_number() over (partition by service_code, number order by span_from desc) as age
    from island window same as (partition by service_code, number)
), dated as (
    select *, greatest(coalesce(begins_on, date '2016-04-01'), island_from) as starts_on, least(coalesce(ends_on, 'infinity'), island_to) as stops_on
    from joined where age = 1
)
select
    service_code, starts_on as valid_from, name, field_code, field_name, level, online_level,
    (array['information', 'partial', 'full'])[online_level - 1] as online_mode,
    is_integrated_national, integrated_on, standard_days, nullif(stops_on, 'infinity') as valid_to, name_sort, name_search, batch_id
from dated join name_key using (name) where is_last or stops_on > starts_on
