-- The procedures that agencies offer, from the portal's catalogue. An offering ends at the latest with its agency.
select distinct on (service_code, organisation_id, coalesce(valid_from, date '2016-04-01'))
    service_code, organisation_id, coalesce(valid_from, date '2016-04-01') as valid_from, online_level,
    (array['information', 'partial', 'full'])[online_level - 1] as online_mode, is_integrated_national, integrated_on,
    nullif(least(coalesce(valid_to, 'infinity'), coalesce(ended_on, 'infinity')), 'infinity') as valid_to, batch_id
from record.service_offering left join (
    select organisation_id, max(coalesce(valid_to, 'infinity')) as ended_on from shared.organisation group by 1
) agency using (organisation_id)
order by service_code, organisation_id, coalesce(valid_from, date '2016-04-01'), source_updated_at desc, content_hash desc
