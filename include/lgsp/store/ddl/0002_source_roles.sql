-- The roles of the sources: shared SQL joins on them instead of naming sources.
create table if not exists ledger.source (
    source      text primary key,
    role        text not null,
    precedence  integer not null unique
);
comment on table ledger.source is 'The role of each source and their order of precedence, from the source descriptions';
