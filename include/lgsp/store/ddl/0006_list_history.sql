-- Reference lists belong to a time: every content of a row is kept, with the days on which the list was read without it.
alter table record.organisation drop constraint if exists organisation_pkey;
alter table record.organisation add constraint organisation_pkey primary key (source, source_key, content_hash);
alter table record.service drop constraint if exists service_pkey;
alter table record.service add constraint service_pkey primary key (source, source_key, content_hash);
alter table record.service_offering drop constraint if exists service_offering_pkey;
alter table record.service_offering add constraint service_offering_pkey primary key (source, source_key, content_hash);

create table if not exists record.list_reading (
    kind   text not null,
    source text not null,
    days   datemultirange not null,
    primary key (kind, source)
);
comment on table record.list_reading is 'The local days on which each list of each source was read';

create table if not exists record.list_absence (
    kind         text not null,
    source       text not null,
    source_key   text not null,
    content_hash text not null,
    days         datemultirange not null,
    primary key (kind, source, source_key, content_hash)
);
comment on table record.list_absence is 'The days on which a list was read without this content of a row; contents of every reading have none';

create table if not exists record.list_run (
    kind         text not null,
    source       text not null,
    source_key   text not null,
    content_hash text not null,
    run_from     date,
    run_to       date
);
comment on table record.list_run is 'When the rows with absences had which content; run_from is null from the first reading, run_to after the last';
create index if not exists list_run_key on record.list_run (kind, source, source_key);

create table if not exists record.organisation_version (
    organisation_id text not null,
    valid_from      date not null,
    valid_to        date,
    code_old        text,
    code_new        text,
    name            text not null,
    level           text not null,
    kind            text not null,
    parent_id       text,
    admin_unit_code text,
    admin_unit_now  text,
    unit_until      date,
    succeeded_by    text,
    succeeded_on    date,
    batch_id        text,
    primary key (organisation_id, valid_from)
);
comment on table record.organisation_version is 'The versions of the agencies of all lists that were read, derived from them by each publication that brings another list';

create table if not exists record.dossier_naming (
    source      text not null,
    source_key  text not null,
    agency_code text,
    agency_name text,
    named_at    timestamptz not null,
    raw_hash    text not null
);
comment on table record.dossier_naming is 'Agencies that earlier versions of a dossier record named, with the time of the first version that named each';
create index if not exists dossier_naming_key on record.dossier_naming (source, source_key);

-- Lists that were read before: a row was last listed on the day that ended with its newest version.
insert into record.list_reading (kind, source, days)
select kind, source, range_agg(daterange(day_on, day_on + 1))
from (
    select 'organisation' as kind, source, (source_updated_at at time zone 'Asia/Ho_Chi_Minh' - interval '1 microsecond')::date as day_on from record.organisation
    union select 'service', source, (source_updated_at at time zone 'Asia/Ho_Chi_Minh' - interval '1 microsecond')::date from record.service
    union select 'service_offering', source, (source_updated_at at time zone 'Asia/Ho_Chi_Minh' - interval '1 microsecond')::date from record.service_offering
) listed group by kind, source
on conflict do nothing;

insert into record.list_absence (kind, source, source_key, content_hash, days)
select kind, source, source_key, content_hash, days * datemultirange(daterange(day_on + 1, null))
from (
    select 'organisation' as kind, source, source_key, content_hash, (source_updated_at at time zone 'Asia/Ho_Chi_Minh' - interval '1 microsecond')::date as day_on from record.organisation
    union all select 'service', source, source_key, content_hash, (source_updated_at at time zone 'Asia/Ho_Chi_Minh' - interval '1 microsecond')::date from record.service
    union all select 'service_offering', source, source_key, content_hash, (source_updated_at at time zone 'Asia/Ho_Chi_Minh' - interval '1 microsecond')::date from record.service_offering
) listed join record.list_reading using (kind, source)
where not isempty(days * datemultirange(daterange(day_on + 1, null)))
on conflict do nothing;
