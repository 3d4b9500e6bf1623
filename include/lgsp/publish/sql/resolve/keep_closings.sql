-- Stores the first change of each closing.
insert into record.dossier_closing as stored (source, source_key, status, closed_at) select source, source_key, status, closed_at from closing
on conflict (source, source_key, status) do update set closed_at = excluded.closed_at where excluded.closed_at < stored.closed_at
