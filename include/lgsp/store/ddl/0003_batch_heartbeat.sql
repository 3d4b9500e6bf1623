-- A stage that works on a batch writes the time every few seconds: a publication waits for live batches of the same interval.
alter table ledger.batch add column if not exists heartbeat_at timestamptz;
comment on column ledger.batch.heartbeat_at is 'When a process last reported that it works on this batch';
