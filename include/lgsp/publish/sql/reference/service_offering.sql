-- The procedures that agencies offer, from the portal's catalogue: a version for each span in which the catalogue did not change what it
-- says of an offering. The newest list decides when an offering ends; it ends at the latest with its agency.
with listed as (
    select o.*, coalesce(r.run_from, '-infinity') as listed_from, coalesce(r.run_to, 'infinity') as listed_to,
        md5(row(o.online_level, o.is_integrated_national, o.integrated_on)::text) as content
    from record.service_offering o
    left join record.list_run r on (r.kind, r.source, r.source_key, r.content_hash) = ('service_offering', o.source, o.source_key, o.content_hash)
    where r.content_hash is not null or not exists (
        select from record.list_run any_run where (any_run.kind, any_run.source, any_run.source_key) = ('service_offering', o.source, o.source_key)
    )
), island as (
    select *, sum(is_first::integer) over (partition by source, source_key order by listed_from) as number,
        last_value(valid_to) over (partition by source, source_key order by listed_from rows between unbounded preceding and unbounded following) as ends_on
    from (
        select *, not coalesce(content = lag(content) over past and listed_from = lag(listed_to) over past, false) as is_first
        from listed window past as (partition by source, source_key order by listed_from)
    ) marked
), joined as (
    select *, min(listed_from) over same as island_from, max(listed_to) over same as island_to,
        number = max(number) over (partition by source, source_key) as is_last,
        row_number() over (partition by source, source_key, number order by listed_from desc) as age
    from island window same as (partition by source, source_key, number)
), dated as (
    select *, greatest(coalesce(valid_from, date '2016-04-01'), island_from) as starts_on, least(coalesce(ends_on, 'infinity'), island_to) as stops_on
    from joined where age = 1
)
select distinct on (service_code, organisation_id, starts_on)
    service_code, organisation_id, starts_on as valid_from, online_level,
    (array['information', 'partial', 'full'])[online_level - 1] as online_mode, is_integrated_national, integrated_on,
    nullif(least(stops_on, coalesce(ended_on, 'infinity')), 'infinity') as valid_to, batch_id
from dated
join (
    select organisation_id, max(coalesce(valid_to, 'infinity')) as ended_on from shared.organisation group by organisation_id
) agency using (organisation_id)
where is_last or least(stops_on, ended_on) > starts_on
order by service_code, organisation_id, starts_on, source_updated_at desc, content_hash desc
