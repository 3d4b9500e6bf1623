-- The procedures that any list ever named.
select distinct service_code from record.service
