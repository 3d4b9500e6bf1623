-- The agencies that the versions of each incoming record named, each with the first version that did. A version that is read again
-- replaces what was read of it before.
with touched as (
    select distinct source, source_key from incoming_dossier
), seen as (
    select source, source_key, agency_code, agency_name, coalesce(named_at, source_updated_at) as named_at, raw_hash from incoming_dossier
    union all
    select r.source, r.source_key, r.agency_code, r.agency_name, r.named_at, r.raw_hash
    from record.dossier r join touched using (source, source_key)
    where r.named_at is not null and (r.named_at < r.source_updated_at or not exists (
        select from incoming_dossier i where (i.source, i.source_key, i.source_updated_at, i.raw_hash) = (r.source, r.source_key, r.source_updated_at, r.raw_hash)
    ))
    union all
    select n.source, n.source_key, n.agency_code, n.agency_name, n.named_at, n.raw_hash
    from record.dossier_naming n join touched using (source, source_key)
    where not exists (
        select from incoming_dossier i where (i.source, i.source_key, i.source_updated_at, i.raw_hash) = (n.source, n.source_key, n.named_at, n.raw_hash)
    )
)
select distinct on (source, source_key, coalesce(agency_code, '~' || agency_name)) *
from seen where agency_code is not null or agency_name is not null
order by source, source_key, coalesce(agency_code, '~' || agency_name), named_at, raw_hash
