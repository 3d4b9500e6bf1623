-- The record that leads each dossier: that of the one-stop-shop, else of the portal. Attributes other than dates and status that the
-- one-stop-shop leaves empty are those of the portal.
create table lead_record as
select o.* replace (${columns})
from (select * from role_record where role = 'one_stop') o
left join (select * from role_record where role = 'portal') p using (label)
union all
select * from role_record
where role = 'portal' and label not in (select label from role_record where role = 'one_stop')
