-- The events for consumers, one row for each address: written in the transaction of what happened, delivered later and again until the
-- address accepts them. `target` is the id of an address; the address itself and its secrets are only in the environment.
create table if not exists ledger.outbox (
    event_id        text not null,
    target          text not null,
    type            text not null,
    occurred_at     timestamptz not null,
    data            jsonb not null,
    state           text not null default 'waiting' check (state in ('waiting', 'delivered', 'ended', 'failed')),
    attempt_count   integer not null default 0,
    next_attempt_at timestamptz not null default clock_timestamp(),
    last_attempt_at timestamptz,
    last_result     text,
    primary key (event_id, target)
);
create index if not exists outbox_due on ledger.outbox (next_attempt_at) where state = 'waiting';
