-- The province's own settings that a batch was harmonised with, and that a snapshot was published with: the hash of the files in
-- LGSP_CONFIG, whose copy is in LGSP_HOME/config. `shipped` without such files; null before this was recorded.
alter table ledger.batch add column if not exists config_hash text;
alter table ledger.publication add column if not exists config_hash text;
