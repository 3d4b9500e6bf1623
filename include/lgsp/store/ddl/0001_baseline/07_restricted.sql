-- Tokens of persons: for counting and linking, never published.
create table if not exists restricted.applicant_token (
    source text not null, source_key text not null, token text not null,
    source_updated_at timestamptz not null, batch_id text not null, primary key (source, source_key)
);
comment on table restricted.applicant_token is
    'Keyed HMAC-SHA-256 of the identity number of each record''s applicant, with the id of the key; never published.';

create table if not exists restricted.phone_token (
    source text not null, source_key text not null, token text not null,
    source_updated_at timestamptz not null, batch_id text not null, primary key (source, source_key)
);
comment on table restricted.phone_token is
    'Keyed HMAC-SHA-256 of the applicant''s phone in today''s numbering, for records without an identity number; never published.';
