-- The living records, numbered.
create table node as select row_number() over (order by source, source_key) as node, role, precedence, living.*
from living join source_role using (source)
