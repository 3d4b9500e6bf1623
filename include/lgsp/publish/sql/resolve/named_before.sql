-- The stored records of which an older version arrived that named another agency: it may be the first one.
select n.source, n.source_key from naming n
where not exists (select from incoming_dossier i where (i.source, i.source_key) = (n.source, n.source_key))
group by n.source, n.source_key having count(*) > 1
