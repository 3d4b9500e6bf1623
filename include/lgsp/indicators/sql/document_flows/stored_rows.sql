-- The difference between the documents and work files in quarantine that no valid version has replaced and the stored sums.
select organisation_id, day_on, sum(quarantined_count)::integer as held_papers
from (
    select coalesce(organisation_id, 'UNKNOWN') as organisation_id, occurred_on as day_on, 1 as quarantined_count
    from (
        select distinct on (q.kind, q.source, q.source_key) q.organisation_id, q.occurred_on
        from ledger.quarantine q
        where q.kind in ('document', 'work_file') and q.state in ('open', 'accepted')
          and not exists (select 1 from record.document r where q.kind = 'document' and r.source = q.source and r.source_key = q.source_key
              and r.source_updated_at >= q.source_updated_at)
          and not exists (select 1 from record.work_file r where q.kind = 'work_file' and r.source = q.source and r.source_key = q.source_key
              and r.source_updated_at >= q.source_updated_at)
        order by q.kind, q.source, q.source_key, q.source_updated_at desc, q.record_hash desc
    ) quarantined where occurred_on is not null
    union all
    select organisation_id, since_on, -held_papers from record.paper_movement where span = 'day' and held_papers <> 0
) difference
group by organisation_id, day_on having sum(quarantined_count) <> 0
