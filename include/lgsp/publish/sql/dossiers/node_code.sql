-- The codes of each record: its own, and the other one that it names.
create table node_code as
select node, unnest(list_distinct([source_code, coalesce(other_code, source_code)])) as code from node
