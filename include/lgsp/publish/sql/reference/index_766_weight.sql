-- Definitions, as `lgsp init` loaded them.
select * from record.index_766_weight
