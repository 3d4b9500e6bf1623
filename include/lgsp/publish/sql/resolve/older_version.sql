-- The stored records of which an older version arrived that may count: it named another agency, or was closed already.
select n.source, n.source_key from naming n
where not exists (select from incoming_dossier i where (i.source, i.source_key) = (n.source, n.source_key))
group by n.source, n.source_key having count(*) > 1
union
select d.source, d.source_key from record.dossier d join closing c using (source, source_key, status)
where d.closed_at_basis = 'change' and c.closed_at < d.closed_at
