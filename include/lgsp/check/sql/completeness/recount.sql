-- Fills `received_change` from all stored records, as if all of them were new. Used when no counts are stored yet.
truncate received_change;

delete from ledger.online_procedure;

insert into received_change
select source, organisation_id, day_on, service_code, count(*), count(*) filter (where is_online)
from (
    select source, receiving_organisation_id as organisation_id, (coalesce(received_at, submitted_at) at time zone 'Asia/Ho_Chi_Minh')::date as day_on,
        service_code, channel = 'online' and received_at is not null and service_code <> 'UNKNOWN' as is_online
    from record.dossier where not is_deleted
    union all
    select source, issuing_organisation_id, (source_updated_at at time zone 'Asia/Ho_Chi_Minh')::date, null, false from record.document
) c
where organisation_id is not null and day_on is not null
group by source, organisation_id, day_on, service_code;
