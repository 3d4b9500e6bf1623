-- The existing records with a number each, and their codes in normal form.
create table node as select row_number() over (order by source, source_key) as node, role, precedence, existing_record.*,
    code_key(source_code) as own_key, code_key(other_code) as other_key
from existing_record join source_role using (source)
