-- The two sides of each dossier: `o` from the one-stop-shop, `p` from the portal. `lead` is the side of the one-stop-shop, if it exists.
create table pair as
select label, o, p, coalesce(o.source_code, p.source_code) as dossier_id, o is not null as has_o, p is not null as has_p,
    case when o is not null then o else p end as lead
from (select label, role_record as o from role_record where role = 'one_stop') a
full join (select label, role_record as p from role_record where role = 'portal') b using (label)
