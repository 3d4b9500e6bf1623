-- The clock of the data and the periods it reaches: never the wall clock.
create temporary table clock on commit drop as
with known as (
    select source, range_agg(tstzrange(window_from, window_to)) as covered, min(window_from) as first_at, max(window_to) as last_at
    from ledger.batch
    where purpose = 'window' and source in ('one_stop_shop', 'online_services', 'documents') and (state = 'published' or batch_id = any(string_to_array($1, ' ')))
    group by source
), feed as (
    -- documents tell the time only where no dossiers are read; they cover none
    select * from known where source <> 'documents' or not exists (select from known where source <> 'documents')
)
select min(last_at) as as_of, (min(first_at) at time zone 'Asia/Ho_Chi_Minh')::date as first_on,
    case when count(*) = 2 then (array_agg(covered))[1] * (array_agg(covered))[2] else '{}'::tstzmultirange end as covered
from feed
