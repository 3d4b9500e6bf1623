-- Records of some kinds in quarantine when a snapshot was published, which no good version had replaced, by the day they
-- belong to: within the period that is asked about. Needs the temporary tables agency and asked.
create temporary table held_unit on commit drop as
select kind || ' ' || source || ' ' || source_key as unit_id, kind, source, source_key, organisation_id, occurred_on,
    (select string_agg(distinct rule_id || ': ' || reason, '; ') from ledger.quarantine r
     where (r.source, r.kind, r.source_key, r.record_hash) = (q.source, q.kind, q.source_key, q.record_hash)) as reason
from (
    select distinct on (q.kind, q.source, q.source_key) q.kind, q.source, q.source_key, q.record_hash, q.occurred_on,
        coalesce(q.organisation_id, 'UNKNOWN') as organisation_id
    from ledger.quarantine q, asked
    where q.kind = any(${kinds}) and q.created_at <= asked.published_at and (q.state in ('open', 'accepted') or q.state_at > asked.published_at)
        and (coalesce(q.state_at > asked.published_at, false) or not (${replaced}))
    order by q.kind, q.source, q.source_key, q.source_updated_at desc, q.record_hash desc
) q, asked
where occurred_on >= period_start and occurred_on < period_end and ${scope}
