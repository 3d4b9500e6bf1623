-- By how much the documents and work files held in quarantine, which no good version has replaced, differ from what is summed up.
select organisation_id, day_on, sum(held)::integer as held_papers
from (
    select coalesce(organisation_id, 'UNKNOWN') as organisation_id, occurred_on as day_on, 1 as held
    from (
        select distinct on (q.kind, q.source, q.source_key) q.organisation_id, q.occurred_on
        from ledger.quarantine q
        where q.kind in ('document', 'work_file') and q.state in ('open', 'accepted')
          and not exists (select 1 from record.document r where q.kind = 'document' and r.source = q.source and r.source_key = q.source_key
              and r.source_updated_at >= q.source_updated_at)
          and not exists (select 1 from record.work_file r where q.kind = 'work_file' and r.source = q.source and r.source_key = q.source_key
              and r.source_updated_at >= q.source_updated_at)
        order by q.kind, q.source, q.source_key, q.source_updated_at desc, q.record_hash desc
    ) held where occurred_on is not null
    union all
    select organisation_id, since_on, -held_papers from record.paper_movement where span = 'day' and held_papers <> 0
) told
group by organisation_id, day_on having sum(held) <> 0
