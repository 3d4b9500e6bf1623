-- Definitions, as `lgsp init` loaded them.
select * from record.manual_indicator
