-- What each transaction changed in the tables that the next publication derives its rows from: the hashes of the rows added, less those
-- of the rows removed. A publication signs the sums of these tables; with the changes it need not read all rows again.
create table if not exists ledger.record_change (
    table_name  text not null,
    transaction xid8 not null,
    change      numeric not null,
    primary key (table_name, transaction)
);

-- The sums as signed with the snapshot: `made_of` names the version of the tables, because a new column changes every hash.
alter table ledger.publication add column if not exists record_sums jsonb;

-- The signature of the check results of a batch, in hexadecimal, and the id of its key.
alter table ledger.batch add column if not exists results_signature text;
alter table ledger.batch add column if not exists results_key text references ledger.signing_key (key_id);
