-- Reference data, as loaded by `lgsp init`.
select * from record.admin_unit
