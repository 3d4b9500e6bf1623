create table if not exists record.indicator_period (
    period       text not null,
    period_start date not null,
    period_end   date not null,
    as_of        timestamptz not null,
    is_covered   boolean not null,
    derived_by   text not null,
    primary key (period, period_start)
);
comment on table record.indicator_period is 'The periods that indicators were last computed for, and by which version of their definitions';
