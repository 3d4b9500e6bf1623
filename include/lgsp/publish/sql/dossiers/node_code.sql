-- The codes of each record: its own, and the other one that it names.
create table node_code as
select node, unnest(list_distinct([own_key, coalesce(other_key, own_key)])) as code from node
