-- The level at which the agency offered the procedure on the day the dossier was received; of several versions in force the newest.
create table offered_level as
select dossier_id, arg_max(offering.online_level, offering.valid_from) as online_level
from (
    select dossier_id, lead.service_code as service_code, lead.receiving_organisation_id as organisation_id,
        coalesce(local_day(lead.received_at), local_day(lead.submitted_at), local_day(lead.source_updated_at)) as day_on
    from pair
) dossier
join service_offering offering on offering.service_code = dossier.service_code and offering.organisation_id = dossier.organisation_id
    and offering.valid_from <= day_on and (offering.valid_to is null or offering.valid_to > day_on)
group by dossier_id
