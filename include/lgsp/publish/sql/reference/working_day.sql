-- Reference data, as loaded by `lgsp init`.
select * from record.working_day
