-- Writes the newest decision about each window, about the silence of an agency and about publishing into its table, unless the
-- table has a newer one.
insert into ledger.override (source, window_from, window_to, rule_id, decided_by, why, decided_at)
select distinct on (subject) subject ->> 'source', to_timestamp((subject ->> 'from')::numeric), to_timestamp((subject ->> 'to')::numeric),
    subject ->> 'rule_id', decided_by, coalesce(why, ''), decided_at
from ledger.decision where what = 'override' order by subject, decision_id desc
on conflict (source, window_from, window_to, rule_id) do update
    set decided_by = excluded.decided_by, why = excluded.why, decided_at = excluded.decided_at where override.decided_at < excluded.decided_at;

insert into ledger.confirmed_silence (source, organisation_id, first_on, last_on, confirmed_by, why, confirmed_at)
select distinct on (subject) subject ->> 'source', subject ->> 'organisation_id', (subject ->> 'first_on')::date, value::date, decided_by,
    coalesce(why, ''), decided_at
from ledger.decision where what = 'silence' order by subject, decision_id desc
on conflict (source, organisation_id, first_on) do update
    set last_on = excluded.last_on, confirmed_by = excluded.confirmed_by, why = excluded.why, confirmed_at = excluded.confirmed_at
    where confirmed_silence.confirmed_at < excluded.confirmed_at;

-- Publishing is on hold if the last decision about it says so.
update ledger.hold h set released_at = d.decided_at, released_by = d.decided_by
from (select verdict, decided_by, decided_at from ledger.decision where what = 'hold' order by decision_id desc limit 1) d
where h.released_at is null and d.verdict = 'released' and h.since < d.decided_at;

insert into ledger.hold (since, decided_by, why)
select decided_at, decided_by, coalesce(why, '')
from (select * from ledger.decision where what = 'hold' order by decision_id desc limit 1) d
where verdict = 'held' and not exists (select from ledger.hold where released_at is null or since >= d.decided_at);
