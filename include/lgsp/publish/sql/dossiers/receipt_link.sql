-- Pairs of link groups, one of the one-stop-shop only and one of the portal only, that are the only groups with a receipt key.
create table receipt_link as
with grouped as (select n.*, l.label from node n join node_label l using (node)),
single_role as (
    select label, min(role) as role, min(receipt_key) as receipt_key from grouped
    group by label having count(distinct role) = 1 and count(distinct receipt_key) = 1
)
select min(label) filter (role = 'one_stop') as to_label, min(label) filter (role = 'portal') as from_label
from single_role group by receipt_key
having count(*) filter (role = 'one_stop') = 1 and count(*) filter (role = 'portal') = 1
