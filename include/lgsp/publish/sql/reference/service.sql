-- A procedure as the one-stop-shop describes it, else as the portal does; since when, only the portal knows.
select
    service_code, coalesce(o.valid_from, p.valid_from, date '2016-04-01') as valid_from,
    coalesce(o.name, p.name) as name,
    coalesce(o.field_code, p.field_code) as field_code, coalesce(o.field_name, p.field_name) as field_name,
    coalesce(o.level, p.level) as level,
    coalesce(o.online_level, p.online_level) as online_level,
    (array['information', 'partial', 'full'])[coalesce(o.online_level, p.online_level) - 1] as online_mode,
    coalesce(o.is_integrated_national, p.is_integrated_national) as is_integrated_national,
    coalesce(o.integrated_on, p.integrated_on) as integrated_on,
    coalesce(o.standard_days, p.standard_days) as standard_days,
    coalesce(o.valid_to, p.valid_to) as valid_to,
    coalesce(o.batch_id, p.batch_id) as batch_id
from (select * from record.service where source = 'one_stop_shop') o
full join (select * from record.service where source = 'online_services') p using (service_code)
where coalesce(o.name, p.name) is not null
