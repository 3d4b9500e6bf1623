-- The two sides of each dossier: `o` from the one-stop-shop, `p` from the portal. `lead` is the record that leads it.
create table pair as
select label, o, p, lead, dossier_id, o is not null as has_o, p is not null as has_p
from (select label, lead_record as lead from lead_record) l
left join (select label, role_record as o from role_record where role = 'one_stop') a using (label)
left join (select label, role_record as p from role_record where role = 'portal') b using (label)
join group_id using (label)
