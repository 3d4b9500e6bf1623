-- The fields of each batch and the number of records by day of change: the baselines of the batch rules come from here.

create table if not exists ledger.field_profile (
    batch_id     text not null references ledger.batch,
    list         text not null,
    field        text not null,
    record_count bigint not null,
    null_count   bigint not null,
    json_types   text[] not null default '{}',  -- the JSON types of its values, over a sample
    primary key (batch_id, list, field)
);

-- The number of records of a batch by kind and local day of change.
create table if not exists ledger.batch_day (
    batch_id     text not null references ledger.batch,
    kind         text not null,
    day_on       date not null,
    record_count bigint not null,
    primary key (batch_id, kind, day_on)
);
create index if not exists batch_day_on on ledger.batch_day (day_on);
