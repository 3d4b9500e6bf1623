-- The agencies that the source lists.
select child.code, child.name, child.level.code as level, mother.code as parent_code, child.raw_pointer
from agencies child left join agencies mother on mother.id = child.parent.id
