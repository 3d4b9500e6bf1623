-- What each transaction changed in the tables that the next publication derives its rows from: the hashes of the rows added, less those
-- of the rows removed. A publication signs the sums of these tables; with the changes it need not read all rows again.
create table if not exists ledger.record_change (
    table_name  text not null,
    transaction xid8 not null,
    change      numeric not null,
    primary key (table_name, transaction)
);

-- The sums after the newest publication, or after a later run that published nothing: JSON as it was signed. `made_of` in it names the
-- version of the tables, because a new column changes every hash.
create table if not exists ledger.record_sums (
    snapshot_id bigint primary key references ledger.publication,
    content     text not null,
    signature   text not null,  -- hexadecimal
    signing_key text not null references ledger.signing_key (key_id)
);

-- The signature of the check results of a batch, in hexadecimal, and the id of its key.
alter table ledger.batch add column if not exists results_signature text;
alter table ledger.batch add column if not exists results_key text references ledger.signing_key (key_id);
