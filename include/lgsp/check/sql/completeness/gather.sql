-- Adds to `received_change` by how much the merged records of a publication change the counts of each agency and day.
insert into received_change
select source, organisation_id, day_on, service_code, sum(sign), coalesce(sum(sign) filter (where is_online), 0)
from (
    select source, receiving_organisation_id as organisation_id, local_on as day_on, service_code,
        channel = 'online' and received_at is not null and service_code <> 'UNKNOWN' as is_online, sign
    from (select *, 1 as sign from incoming_dossier union all select *, -1 from before_dossier) d,
        lateral (select (coalesce(received_at, submitted_at) at time zone 'Asia/Ho_Chi_Minh')::date as local_on) l
    where not is_deleted
    union all
    select source, issuing_organisation_id, (source_updated_at at time zone 'Asia/Ho_Chi_Minh')::date, null, false, sign
    from (select *, 1 as sign from incoming_document union all select *, -1 from before_document) d
) c
where organisation_id is not null and day_on is not null
group by source, organisation_id, day_on, service_code;
