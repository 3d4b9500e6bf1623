-- For each source, agency and local day: what was received, or why nothing was. Silence is told from a broken feed here.

create table if not exists ledger.completeness (
    source          text not null,
    organisation_id text not null,
    day_on          date not null,
    record_count    bigint not null default 0,   -- records of that day, by the fact's own date
    state           text not null check (state in ('received', 'zero', 'missing', 'late')),
    reason          text,                        -- why missing or late, in words
    expected        double precision,            -- what the agency's own past lets expect of the days since it fell silent
    primary key (source, organisation_id, day_on)
);
drop index if exists ledger.completeness_day;
create index if not exists completeness_doubt on ledger.completeness (day_on, organisation_id) where state in ('missing', 'late');

-- A silence that somebody asked about and found to be true: from then on it is a zero.
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

-- How many records each source has of an agency's day, kept up with every publication: the published and those held in quarantine.
create table if not exists ledger.received_day (
    source          text not null,
    organisation_id text not null,
    day_on          date not null,
    record_count    bigint not null default 0,
    online_count    bigint not null default 0,   -- of them: received, handed in online, and of a procedure that both dossier feeds have
    held_count      bigint not null default 0,
    primary key (source, organisation_id, day_on)
);
create index if not exists received_day_on on ledger.received_day (day_on);
create index if not exists received_day_held on ledger.received_day (source, organisation_id, day_on) where held_count > 0;

-- Dossiers handed in online, by procedure: what only the portal serves says nothing of the one-stop-shop.
create table if not exists ledger.online_procedure (
    source       text not null,
    service_code text not null,
    record_count bigint not null,
    is_shared    boolean not null default false,  -- both feeds have some: `received_day.online_count` counts them
    primary key (source, service_code)
);

-- What the states were last derived from: where this differs from what is known now, they are derived again.
create table if not exists ledger.derived_feed (
    source    text primary key,
    covered   datemultirange not null,   -- days that published windows cover wholly
    newest_on date not null              -- the newest day that any source covers
);
create table if not exists ledger.derived_agency (
    source          text not null,
    organisation_id text not null,
    in_force        datemultirange not null,
    confirmed       datemultirange not null,
    primary key (source, organisation_id)
);
