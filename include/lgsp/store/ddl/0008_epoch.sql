-- The epochs of this store: the next one begins when its database was lost or restored from an older copy. Snapshot numbers of an epoch
-- are larger than those of all epochs before it, also of those that the database does not know.
create table if not exists ledger.epoch (
    epoch          integer primary key check (epoch > 0),
    since          timestamptz not null default now(),
    why            text not null,
    first_snapshot bigint not null default 1
);

-- The hash of the manifest of the landed batch: what was landed cannot be altered without notice.
alter table ledger.batch add column if not exists manifest_sha256 text;
