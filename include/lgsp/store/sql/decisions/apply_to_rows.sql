-- Accepts or discards open rows of the quarantine as the newest decision about them says: they were made again from landing.
with newest as (
    select distinct on (subject) subject, verdict, decided_by, why, decided_at
    from ledger.decision where what = 'quarantine' order by subject, decision_id desc
)
update ledger.quarantine q
set state = n.verdict, state_by = n.decided_by, state_reason = n.why, state_at = n.decided_at, redriven_in = null
from newest n
where q.state = 'open' and n.verdict in ('accepted', 'discarded')
    and q.source = n.subject ->> 'source' and q.kind = n.subject ->> 'kind' and q.source_key = n.subject ->> 'source_key'
    and q.record_hash = n.subject ->> 'record_hash' and q.rule_id = n.subject ->> 'rule_id'
returning q.quarantine_id, q.state
