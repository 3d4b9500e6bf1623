-- Definitions, as `lgsp init` loaded them.
select * from record.indicator_definition
