-- The accounts of readers: each is a login of PostgreSQL, a member of lgsp_reader. Its password is also its token for programs that do
-- not speak SQL: one secret to hand over, to replace and to withdraw. It is random, so that a fast hash of it can be kept.
create table if not exists ledger.reader (
    name         text primary key,
    scope        text not null check (scope in ('indicators', 'all')),
    agencies     text[] not null default '{}',  -- of the facts; empty: of all agencies
    connections  integer not null check (connections > 0),
    valid_until  timestamptz,  -- exclusive
    token_sha256 text not null unique,  -- hexadecimal
    created_by   text not null,
    created_at   timestamptz not null default now(),
    rotated_at   timestamptz,
    check (scope = 'all' or agencies = '{}')
);
