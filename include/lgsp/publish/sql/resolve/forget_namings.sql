-- The names of the merged records are stored again by `keep_namings`.
delete from record.dossier_naming k using (select distinct source, source_key from incoming_dossier union select source, source_key from naming) n
where (k.source, k.source_key) = (n.source, n.source_key)
