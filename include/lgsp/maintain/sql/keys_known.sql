-- What is known of a source's records, beside the keys that the source `listed`: the input of every comparison.
-- `held`: the records we have; `known`: the newest change of every key that ever came, whatever became of it.
create temporary table listed (source_key text primary key, named text not null, changed_at timestamptz not null);

create temporary table held as
select r.*, r.is_deleted and b.purpose = 'sweep' as is_inferred
from (
    ${records}
) r join ledger.batch b using (batch_id);
create index on held (source_key);

create temporary table known as
select source_key, max(changed_at) as changed_at from (
    select source_key, changed_at from held
    union all select source_key, source_updated_at from ledger.quarantine where source = ${source} and kind = any(${kinds})
    union all select source_key, source_updated_at from ledger.ignored_record where source = ${source} and kind = any(${kinds})
) k group by source_key;
create index on known (source_key);
analyze held, known;
