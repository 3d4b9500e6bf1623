-- The accounts of readers, as the read API needs them; created here only where no earlier migration did.
create table if not exists ledger.reader (
    name         text primary key,
    scope        text not null check (scope in ('indicators', 'all')),
    agencies     text[] not null default '{}',  -- of the facts; empty: of all agencies
    connections  integer not null default 8 check (connections > 0),
    valid_until  timestamptz,  -- exclusive
    token_sha256 text not null unique,  -- hexadecimal
    created_by   text not null,
    created_at   timestamptz not null default now(),
    rotated_at   timestamptz,
    check (scope = 'all' or agencies = '{}')
);

-- When the rows that an account may see last changed: a copy of an older snapshot cannot be continued from. Null: since it exists.
alter table ledger.reader add column if not exists scope_changed_at timestamptz;
