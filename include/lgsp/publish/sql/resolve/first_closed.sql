-- A closing without a reported day happened at the first change that showed it; a later change of the record does not move it.
update incoming_dossier d set closed_at = c.closed_at
from closing c
where (c.source, c.source_key, c.status) = (d.source, d.source_key, d.status) and d.closed_at_basis = 'change' and c.closed_at < d.closed_at
