-- What a table has as decided although the newest recorded decision about it is another one, or none.
with newest as (
    select distinct on (what, subject) what, subject, verdict, value, decided_by, why, decided_at
    from ledger.decision order by what, subject, decision_id desc
)
select d.what, d.subject::text as subject, d.verdict, coalesce(d.decided_by, '?') as decided_by
from ledger.decided d left join newest n using (what, subject)
where d.verdict <> 'open' and (n.what is null or (d.verdict, d.value, coalesce(d.decided_by, '?'), d.why, coalesce(d.decided_at, n.decided_at))
    is distinct from (n.verdict, n.value, n.decided_by, n.why, n.decided_at))
order by 1, 2
