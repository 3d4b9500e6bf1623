-- The dossier id of each link group: of its records in the one-stop-shop, else in the portal, the code that the other records
-- name, else the smallest. No change of a record moves it. Groups with the same code have a hub as their code: their id is
-- the key of a record.
create table group_id as
with candidate as (
    select m.label, m.source_code, m.own_key, m.source_key, m.role = 'one_stop' as is_leading,
        exists(select 1 from member other where other.label = m.label and other.other_key = m.own_key and other.own_key <> m.own_key) as is_named
    from member m
),
chosen as (
    select label, arg_max(source_code, {'lead': is_leading, 'named': is_named, 'hub': own_key not in (select code from hub)}) as code
    from (select * from candidate order by source_code) c group by label
),
keyed as (select label, min(source_key) filter (where is_leading) as one_stop_key, min(source_key) as any_key from candidate group by label)
select label, case when count(*) over (partition by code) = 1 then code else coalesce(one_stop_key, any_key) end as dossier_id
from chosen join keyed using (label)
