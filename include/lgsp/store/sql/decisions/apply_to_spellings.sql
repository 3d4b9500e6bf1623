-- Accepts or rejects open spellings of agencies as the newest decision about them says.
with newest as (
    select distinct on (subject) subject, verdict, value, decided_by, why, decided_at
    from ledger.decision where what = 'spelling' order by subject, decision_id desc
), applied as (
    update ledger.organisation_review r
    set state = n.verdict, organisation_id = n.value, decided_by = n.decided_by, why = n.why, decided_at = n.decided_at
    from newest n
    where r.state = 'open' and r.source = n.subject ->> 'source' and r.alias_key = n.subject ->> 'alias_key'
    returning r.review_id, r.state, r.organisation_id, r.decided_by, r.decided_at, r.why
), added as (
    insert into ledger.organisation_decision (review_id, state, organisation_id, decided_by, decided_at, why)
    select review_id, state, organisation_id, decided_by, decided_at, why from applied
)
select review_id, state from applied
