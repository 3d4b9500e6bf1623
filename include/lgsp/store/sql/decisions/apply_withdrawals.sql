-- Sets the batches of a landing folder that was taken back to `withdrawn`, where nothing of it was published or checked: it is never harmonised.
with newest as (
    select distinct on (subject) subject ->> 'landing_path' as landing_path, decided_by, why, decided_at
    from ledger.decision where what = 'withdrawal' order by subject, decision_id desc
)
update ledger.batch b set state = 'withdrawn', withdrawn_by = n.decided_by, withdrawn_at = n.decided_at, why = n.why
from newest n
where b.landing_path = n.landing_path and b.state <> 'withdrawn' and not exists (
    select from ledger.batch p where p.landing_path = b.landing_path and p.state in ('published', 'checked'))
