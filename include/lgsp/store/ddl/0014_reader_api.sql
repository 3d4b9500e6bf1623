-- When the rows that an account may see last changed: a copy of an older snapshot cannot be continued from. Null: since it exists.
alter table ledger.reader add column if not exists scope_changed_at timestamptz;
