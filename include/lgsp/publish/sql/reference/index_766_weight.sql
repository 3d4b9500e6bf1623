-- Definitions, as loaded by `lgsp init`.
select * from record.index_766_weight
