-- The wait that a source asked for (Retry-After): no process calls it before, also not a retry of a failed task.
create table if not exists ledger.request_pause (
    source       text primary key,
    paused_until timestamptz not null,
    requested_at timestamptz not null default clock_timestamp()
);
comment on table ledger.request_pause is 'The last wait that each source asked for';
comment on column ledger.request_pause.paused_until is 'Until when the source asked not to be called, at most retry_after_cap_seconds later';
comment on column ledger.request_pause.requested_at is 'When the source last asked for a wait';
