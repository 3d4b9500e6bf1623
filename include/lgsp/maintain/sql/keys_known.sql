-- Temporary tables for one comparison of a sweep. `listed`: the keys that the source lists (filled later), with their change time if known.
-- `stored`: the records we have. `known`: the newest change of every key that was ever read, also of keys in quarantine or ignored;
-- but not of those that the source listed and did not deliver (status 0): they are requested again.
create temporary table listed (source_key text primary key, masked_key text not null, changed_at timestamptz);

create temporary table stored as
select r.*, r.is_deleted and b.purpose = 'sweep' as is_inferred
from (
    ${records}
) r join ledger.batch b using (batch_id);
create index on stored (source_key);

create temporary table known as
select source_key, max(changed_at) as changed_at from (
    select source_key, changed_at from stored
    union all select source_key, source_updated_at from ledger.quarantine q where source = ${source} and kind = any(${kinds})
        and not exists (
            select from ledger.source_call c
            where c.batch_id = split_part(q.raw_pointer, '#', 1) and c.status = 0
                and c.number::text = split_part(split_part(q.raw_pointer, '#', 2), ':', 1)
        )
    union all select source_key, source_updated_at from ledger.ignored_record where source = ${source} and kind = any(${kinds})
) k group by source_key;
create index on known (source_key);
analyze stored, known;
