-- The agencies that the source lists.
select orgCode as code, orgName as name, null::varchar as level, parentCode as parent_code, raw_pointer from agencies
