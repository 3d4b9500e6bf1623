-- The contents of the agencies of all sources, each with the days from and to which a list had it (null: before the first and after
-- the last reading).
select o.source, o.batch_id, r.run_from, r.run_to, ${columns}
from record.organisation o join ledger.source s using (source)
left join record.list_run r on (r.kind, r.source, r.source_key, r.content_hash) = ('organisation', o.source, o.source_key, o.content_hash)
where r.content_hash is not null or not exists (
    select from record.list_run any_run where (any_run.kind, any_run.source, any_run.source_key) = ('organisation', o.source, o.source_key)
)
order by s.precedence, o.organisation_id, r.run_from nulls first
