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
create index if not exists completeness_day on ledger.completeness (day_on);

-- A silence that somebody asked about and found to be true: from then on it is a zero.
create table if not exists ledger.confirmed_silence (
    source          text not null,
    organisation_id text not null,
    first_on        date not null,
    last_on         date not null,
    confirmed_by    text not null,
    why             text not null,
    confirmed_at    timestamptz not null default now(),
    primary key (source, organisation_id, first_on)
);
