-- The quarantine rows of the withdrawn batches leave with them; a version that another batch has too stays, as that batch has it.
with row_of as (
    select q.quarantine_id, o.batch_id, o.raw_pointer from ledger.quarantine q join withdrawn_batch w using (batch_id)
    left join lateral (
        select v.batch_id, v.raw_pointer from other_version v
        where (v.source, v.kind, v.source_key, v.raw_hash) = (q.source, q.kind, q.source_key, q.record_hash)
        order by right(v.batch_id, 6) desc limit 1
    ) o on q.state not in ('open', 'redriven')
), kept as (
    update ledger.quarantine q set batch_id = r.batch_id, raw_pointer = r.raw_pointer from row_of r
    where r.quarantine_id = q.quarantine_id and r.batch_id is not null
)
delete from ledger.quarantine q using row_of r where r.quarantine_id = q.quarantine_id and r.batch_id is null
