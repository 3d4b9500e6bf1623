-- Who confirmed that an unlikely window was meant, how far a running batch is, and who took a batch back.
alter table ledger.batch add column if not exists confirmed_by text;
alter table ledger.batch add column if not exists confirmed_at timestamptz;
alter table ledger.batch add column if not exists progress text;
alter table ledger.batch add column if not exists withdrawn_by text;
alter table ledger.batch add column if not exists withdrawn_at timestamptz;
comment on column ledger.batch.confirmed_by is 'Who confirmed a window that is unlikely for the source; null when nobody had to';
comment on column ledger.batch.progress is 'What the running stage has done so far';
comment on column ledger.batch.withdrawn_by is 'Who took the batch back; the reason is in `why`';

alter table ledger.batch drop constraint if exists batch_state_check;
alter table ledger.batch add constraint batch_state_check
    check (state in ('landing', 'failed', 'landed', 'harmonised', 'checked', 'refused', 'published', 'withdrawn'));
alter table ledger.batch drop constraint if exists withdrawal_named;
alter table ledger.batch add constraint withdrawal_named
    check (state <> 'withdrawn' or withdrawn_by is not null and withdrawn_at is not null and why is not null);

-- The records that left the store with withdrawn batches.
alter table ledger.publication add column if not exists removed_count bigint not null default 0;

alter table ledger.decision drop constraint if exists decision_what_check;
alter table ledger.decision add constraint decision_what_check
    check (what in ('quarantine', 'override', 'spelling', 'silence', 'hold', 'withdrawal'));

-- As before, with the withdrawn batches: a batch and all that were made of its landed bytes are one decision.
create or replace view ledger.decided as
select 'quarantine' as what,
    jsonb_build_object('source', source, 'kind', kind, 'source_key', source_key, 'record_hash', record_hash, 'rule_id', rule_id) as subject,
    state as verdict, null::text as value, state_by as decided_by, state_reason as why, state_at as decided_at
from ledger.quarantine
where state in ('accepted', 'discarded') or state = 'open' and state_by is not null and state_by <> 'publish'
union all
select 'override',
    jsonb_build_object('source', source, 'from', extract(epoch from window_from), 'to', extract(epoch from window_to), 'rule_id', rule_id),
    'overruled', null, decided_by, why, decided_at
from ledger.override
union all
select 'spelling', jsonb_build_object('source', source, 'alias_key', alias_key), state, organisation_id, decided_by, why, decided_at
from ledger.organisation_review where state <> 'open'
union all
select 'silence', jsonb_build_object('source', source, 'organisation_id', organisation_id, 'first_on', first_on),
    'confirmed', last_on::text, confirmed_by, why, confirmed_at
from ledger.confirmed_silence
union all
select 'hold', '{}', case when released_at is null then 'held' else 'released' end, null, coalesce(released_by, decided_by), why,
    coalesce(released_at, since)
from ledger.hold where since = (select max(since) from ledger.hold)
union all
select 'withdrawal', jsonb_build_object('landing_path', landing_path), 'withdrawn', null, withdrawn_by, why, withdrawn_at
from ledger.batch where state = 'withdrawn' and rebuilt_from is null;
