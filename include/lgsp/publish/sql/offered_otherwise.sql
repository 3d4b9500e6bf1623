-- Add to `pending` the records of dossiers whose procedure is offered at another level, or in another time, than before this publication.
insert into pending
with version as (
    select service_code, organisation_id, valid_from, valid_to, online_level, true as is_new from shared.service_offering where snapshot_id = ${snapshot_id}
    union all
    select service_code, organisation_id, valid_from, valid_to, online_level, false from history.service_offering where snapshot_to = ${snapshot_id}
), changed as (
    select service_code, organisation_id, valid_from, valid_to, online_level from version
    group by service_code, organisation_id, valid_from, valid_to, online_level having count(*) filter (where is_new) <> count(*) filter (where not is_new)
), affected as (
    select distinct dossier_id from shared.dossier d
    join changed c on c.service_code = d.service_code and c.organisation_id = d.receiving_organisation_id
        and c.valid_from <= d.opened_on and (c.valid_to is null or c.valid_to > d.opened_on)
)
select ${edge} from record.dossier
where (source, source_key) in (select source, source_key from shared.dossier_source where dossier_id in (select dossier_id from affected))
