-- The codes that link each record; a hub stands for each of its records alone.
create table link_code as
select node, case when hub.code is null then node_code.code else node_code.code || chr(31) || node end as code
from node_code left join hub using (code)
