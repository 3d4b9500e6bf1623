-- Dossier records in quarantine that no valid version of the same or a later time has replaced, with agency and day.
create temporary table quarantined_record on commit drop as
select distinct on (q.source, q.source_key) q.source, q.source_key, q.organisation_id, q.occurred_on
from ledger.quarantine q
where q.kind = 'dossier' and q.state in ('open', 'accepted')
  and not exists (select 1 from record.dossier r where r.source = q.source and r.source_key = q.source_key and r.source_updated_at >= q.source_updated_at)
order by q.source, q.source_key, q.source_updated_at desc, q.record_hash desc
