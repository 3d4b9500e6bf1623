-- The contents of rows of a list that no batch brought before. Needs the temporary table incoming_${kind}.
select distinct i.source, i.source_key, i.content_hash from incoming_${kind} i
where not exists (select from record.${kind} k where (k.source, k.source_key, k.content_hash) = (i.source, i.source_key, i.content_hash))
