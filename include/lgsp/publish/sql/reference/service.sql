-- Procedures. Each attribute comes from the first dossier source that has a value; only the portal has the start of validity.
with listed as (
    select * from record.service join ledger.source using (source) where role in ('one_stop', 'portal')
), merged as (
    select service_code,
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
    from listed group by service_code
)
select
    service_code, coalesce(valid_from, date '2016-04-01') as valid_from, name, field_code, field_name, level, online_level,
    (array['information', 'partial', 'full'])[online_level - 1] as online_mode,
    is_integrated_national, integrated_on, standard_days, valid_to, batch_id
from merged
where name is not null
