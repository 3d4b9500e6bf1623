-- Reference data, as `lgsp init` loaded it.
select * from record.working_day
