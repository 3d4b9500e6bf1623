-- The codes by which a record is linked.
create table node_code as
select node, unnest(list_distinct([source_code, coalesce(other_code, source_code)])) as code from node
