-- The clock of the data: the time up to which the sources were read. $1: the ids of the batches that are being published.
-- Periods begin with the first window that had records: reading a time from before the source existed adds none.
create temporary table clock on commit drop as
with source_coverage as (
    select source, role, range_agg(tstzrange(window_from, window_to)) as covered, min(window_from) filter (where fetched_count > 0) as first_at,
        max(window_to) as last_at
    from ledger.batch join ledger.source using (source)
    where purpose = 'window' and role in ('one_stop', 'portal', 'documents') and (state = 'published' or batch_id = any(string_to_array($1, ' ')))
    group by source, role
), feed as (
    -- the document system sets the clock only where no dossier source is read; it covers no period
    select * from source_coverage where role <> 'documents' or not exists (select from source_coverage where role <> 'documents')
)
select min(last_at) as as_of, (min(first_at) at time zone 'Asia/Ho_Chi_Minh')::date as first_on,
    (select max(last_at) from source_coverage where role = 'documents') as documents_as_of,
    (select range_intersect_agg(covered) from source_coverage where role = 'documents') as documents_covered,
    case when count(distinct role) = 2 then range_intersect_agg(covered) else '{}'::tstzmultirange end as covered
from feed
