-- Records of some kinds that were in quarantine when the snapshot was published and that no valid version had replaced, for the days of
-- the requested period. Needs the temporary tables agency and requested.
create temporary table quarantined_unit on commit drop as
select kind || ' ' || source || ' ' || source_key as unit_id, kind, source, source_key, organisation_id, occurred_on,
    (select string_agg(distinct rule_id || ': ' || reason, '; ') from ledger.quarantine r
     where (r.source, r.kind, r.source_key, r.record_hash) = (q.source, q.kind, q.source_key, q.record_hash)) as reason
from (
    select distinct on (q.kind, q.source, q.source_key) q.kind, q.source, q.source_key, q.record_hash, q.occurred_on,
        coalesce(q.organisation_id, 'UNKNOWN') as organisation_id
    from ledger.quarantine q, requested
    where q.kind = any(${kinds}) and q.created_at <= requested.published_at and (q.state in ('open', 'accepted') or q.state_at > requested.published_at)
        and (coalesce(q.state_at > requested.published_at, false) or not (${replaced}))
    order by q.kind, q.source, q.source_key, q.source_updated_at desc, q.record_hash desc
) q, requested
where occurred_on >= period_start and occurred_on < period_end and ${scope}
