-- The agencies that any list ever named.
select distinct organisation_id from record.organisation
