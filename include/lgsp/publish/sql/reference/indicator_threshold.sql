-- Definitions, as loaded by `lgsp init`.
select * from record.indicator_threshold
