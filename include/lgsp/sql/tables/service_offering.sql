-- A procedure at an agency, from the portal's catalogue.
select distinct on (service_code, organisation_id, coalesce(valid_from, date '2016-04-01'))
    service_code, organisation_id, coalesce(valid_from, date '2016-04-01') as valid_from, online_level,
    (array['information', 'partial', 'full'])[online_level - 1] as online_mode, is_integrated_national, integrated_on, valid_to, batch_id
from record.service_offering
order by service_code, organisation_id, coalesce(valid_from, date '2016-04-01'), source_updated_at desc, content_hash desc
