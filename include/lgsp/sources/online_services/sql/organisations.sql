-- The agencies that the source lists.
select MADONVI as code, TENDONVI as name, CAPDONVI as level, MADONVICHA as parent_code, raw_pointer from agencies
