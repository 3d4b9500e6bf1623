-- Definitions, as loaded by `lgsp init`.
select * from record.manual_indicator
