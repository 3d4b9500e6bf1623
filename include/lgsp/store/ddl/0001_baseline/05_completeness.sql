-- For each source, agency and local day: what was received, or why nothing was. It distinguishes no activity from a broken feed.

create table if not exists ledger.completeness (
    source          text not null,
    organisation_id text not null,
    day_on          date not null,
    record_count    bigint not null default 0,   -- records of that day, by the date of the fact itself
    state           text not null check (state in ('received', 'zero', 'missing', 'late')),
    reason          text,                        -- why it is missing or late
    expected        double precision,            -- records expected for the days without any, from the agency's own past
    primary key (source, organisation_id, day_on)
);
create index if not exists completeness_doubt on ledger.completeness (day_on, organisation_id) where state in ('missing', 'late');

-- Days without records that a person confirmed to be without activity: from then on their state is `zero`.
create table if not exists ledger.confirmed_silence (
    source          text not null,
    organisation_id text not null,
    first_on        date not null,
    last_on         date not null,
    confirmed_by    text not null,
    why             text not null,
    confirmed_at    timestamptz not null default now(),
    primary key (source, organisation_id, first_on),
    constraint confirmed_silence_days check (last_on >= first_on)
);

-- The number of records of each source, agency and day, updated by every publication: published and quarantined ones.
create table if not exists ledger.received_day (
    source          text not null,
    organisation_id text not null,
    day_on          date not null,
    record_count    bigint not null default 0,
    online_count    bigint not null default 0,   -- of these: submitted online, for a procedure that both dossier feeds have
    held_count      bigint not null default 0,
    primary key (source, organisation_id, day_on)
);
create index if not exists received_day_on on ledger.received_day (day_on);
create index if not exists received_day_held on ledger.received_day (source, organisation_id, day_on) where held_count > 0;

-- Dossiers submitted online, by procedure: a procedure that only the portal has is no evidence about the one-stop shop.
create table if not exists ledger.online_procedure (
    source       text not null,
    service_code text not null,
    record_count bigint not null,
    is_shared    boolean not null default false,  -- both feeds have dossiers of it: `received_day.online_count` counts them
    primary key (source, service_code)
);

-- The inputs from which the states were last derived: where the current inputs differ, the states are derived again.
create table if not exists ledger.derived_feed (
    source    text primary key,
    covered   datemultirange not null,   -- days that published windows cover completely
    newest_on date not null              -- the newest day that any source covers
);
create table if not exists ledger.derived_agency (
    source          text not null,
    organisation_id text not null,
    in_force        datemultirange not null,
    confirmed       datemultirange not null,
    primary key (source, organisation_id)
);
