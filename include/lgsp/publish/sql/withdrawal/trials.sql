-- The trial records of the withdrawn batches: as another batch has them, or forgotten.
with newest as (
    select distinct on (v.source, v.kind, v.source_key) v.source, v.kind, v.source_key, v.source_updated_at, v.batch_id
    from other_version v order by v.source, v.kind, v.source_key, v.source_updated_at desc, right(v.batch_id, 6) desc
), trial as (
    select i.source, i.kind, i.source_key, n.source_updated_at, n.batch_id
    from ledger.ignored_record i join withdrawn_batch w using (batch_id) left join newest n using (source, kind, source_key)
), kept as (
    update ledger.ignored_record i set source_updated_at = t.source_updated_at, batch_id = t.batch_id from trial t
    where (t.source, t.kind, t.source_key) = (i.source, i.kind, i.source_key) and t.batch_id is not null
)
delete from ledger.ignored_record i using trial t
where (t.source, t.kind, t.source_key) = (i.source, i.kind, i.source_key) and t.batch_id is null
