-- An agency as the first source that lists it says: the one-stop-shop, then the portal, then the document system.
select distinct on (organisation_id)
    organisation_id, date '2016-04-01' as valid_from, code_old, code_new, name, level, kind, parent_id, admin_unit_code,
    null::date as valid_to, true as is_current, null::text as successor_id, batch_id
from record.organisation
order by organisation_id, array_position(array['one_stop_shop', 'online_services', 'documents'], source), source
