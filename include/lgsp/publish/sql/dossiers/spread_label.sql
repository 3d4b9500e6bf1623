-- One round of spreading labels along shared codes: each record gets the smallest label of the records that share a code with it.
create or replace table spread_label as
select t.node, min(c.label) as label from link_code t
join (select code, min(label) as label from link_code join node_label using (node) group by code) c using (code) group by t.node
