-- The records with a code that more records have than one dossier does, each with the label of its part: the records that also
-- share a second code or a receipt. Initially each is its own part.
create table hub_part as
select code, node, node as label from node_code
where code in (select code from node_code group by code having count(*) > (select hub_records from linking))
