-- A stored record whose agency an older version that arrives late named already: that version is the first.
update record.dossier d set named_at = n.named_at
from naming n
where (n.source, n.source_key) = (d.source, d.source_key) and coalesce(n.agency_code, '~' || n.agency_name) = coalesce(d.agency_code, '~' || d.agency_name)
    and n.named_at < d.named_at
