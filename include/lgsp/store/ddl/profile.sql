-- What the fields of each batch looked like, and how many records changed on each day: what is usual is learnt from here.

create table if not exists ledger.field_profile (
    batch_id     text not null references ledger.batch,
    list         text not null,
    field        text not null,
    record_count bigint not null,
    null_count   bigint not null,
    json_types   text[] not null default '{}',  -- in which JSON types it came, over a sample
    primary key (batch_id, list, field)
);

-- Records of a batch by kind and local day of change.
create table if not exists ledger.batch_day (
    batch_id     text not null references ledger.batch,
    kind         text not null,
    day_on       date not null,
    record_count bigint not null,
    primary key (batch_id, kind, day_on)
);
create index if not exists batch_day_on on ledger.batch_day (day_on);
