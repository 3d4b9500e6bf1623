-- Reference data, as `lgsp init` loaded it.
select * from record.admin_unit
