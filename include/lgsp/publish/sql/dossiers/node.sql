-- The existing records with a number each.
create table node as select row_number() over (order by source, source_key) as node, role, precedence, existing_record.*
from existing_record join source_role using (source)
