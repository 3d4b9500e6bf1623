-- Dossiers that were withdrawn or refused without a day of it: they ended with the first change in which they were seen so.
create table if not exists record.dossier_closing (
    source     text not null,
    source_key text not null,
    status     text not null,
    closed_at  timestamptz not null,
    primary key (source, source_key, status)
);
comment on table record.dossier_closing is 'The earliest change time of the versions of a dossier record that were withdrawn or refused without a reported day';
comment on column record.dossier_closing.closed_at is 'The change time of the first version with this status, whatever the order in which versions were read';

insert into record.dossier_closing (source, source_key, status, closed_at)
select source, source_key, status, closed_at from record.dossier where closed_at_basis = 'change' and closed_at is not null
on conflict do nothing;
