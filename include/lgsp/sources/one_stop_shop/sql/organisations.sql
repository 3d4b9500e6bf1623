-- The agencies that the source lists.
select child.code, child.name, child.level.code as level, parent_agency.code as parent_code, child.raw_pointer
from agencies child left join agencies parent_agency on parent_agency.id = child.parent.id
