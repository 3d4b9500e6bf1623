-- The agencies that versions other than the newest named.
insert into record.dossier_naming (source, source_key, agency_code, agency_name, named_at, raw_hash)
select n.source, n.source_key, n.agency_code, n.agency_name, n.named_at, n.raw_hash
from naming n left join record.dossier d using (source, source_key)
where coalesce(n.agency_code, '~' || n.agency_name) is distinct from coalesce(d.agency_code, '~' || d.agency_name)
