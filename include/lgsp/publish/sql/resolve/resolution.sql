-- What each incoming record means. The receiving agency is the first one that a version of the record named and a list knows; a
-- dossier whose number names an agency that handed over to that one later was received by the former. When several agencies have a
-- name, the number decides between them. A name means no agency that began after the record's day, when a code of the record is
-- neither that agency's nor one of an agency that handed over to it. Records of earlier versions of the program, without what was named, keep what they have.
with record as (
    select d.ctid as row_id, d.*, (coalesce(d.received_at, d.submitted_at, d.source_updated_at) at time zone 'Asia/Ho_Chi_Minh')::date as on_day,
        substring(ledger.code_key(d.source_code) from '^(.*)-\d{6}-\d+$') as number_code
    from incoming_dossier d
), named as (
    select distinct on (r.row_id) r.row_id, coalesce(k.organisation_id, m.organisation_id) as organisation_id
    from record r join naming n using (source, source_key)
    left join known_agency k on k.organisation_id = n.agency_code
    left join agency_meaning m on (m.source, m.name, m.on_day) = (n.source, n.agency_name, r.on_day) and k.organisation_id is null
    where coalesce(k.organisation_id, m.organisation_id) is not null
        and (k.organisation_id is not null or m.began_on is null or r.on_day >= m.began_on or coalesce(r.number_code, n.agency_code) is null
            or m.organisation_id in (r.number_code, n.agency_code)
            or exists (select from agency_successor s where s.organisation_id in (r.number_code, n.agency_code) and s.successor_id = m.organisation_id))
    order by r.row_id, n.named_at, n.raw_hash
), numbered as (
    select distinct on (r.row_id) r.row_id, a.organisation_id
    from record r join naming n using (source, source_key)
    join agency_key a on (a.organisation_id, a.key) = (r.number_code, n.agency_name)
), received as (
    select r.row_id, case
        when r.agency_code is null and r.agency_name is null and not exists (select from naming n where (n.source, n.source_key) = (r.source, r.source_key))
            then r.receiving_organisation_id
        else coalesce(before.organisation_id, named.organisation_id, numbered.organisation_id, 'UNKNOWN') end as organisation_id
    from record r left join named using (row_id) left join numbered using (row_id)
    left join agency_successor before on (before.organisation_id, before.successor_id) = (r.number_code, named.organisation_id) and r.on_day < before.since_on
), resolved as (
    select r.row_id, d.organisation_id as receiving_organisation_id, t.admin_unit_code, t.admin_unit_now as admin_unit_code_now,
        case when r.procedure_code is null then r.service_code else coalesce(p.service_code, 'UNKNOWN') end as service_code,
        case when r.competent_code is null and r.competent_name is null then r.competent_organisation_id
            else coalesce(c.organisation_id, m.organisation_id) end as competent_organisation_id,
        coalesce(t.unit_until <= r.on_day, false) or r.is_applicant_unit_outdated as is_unit_outdated,
        coalesce(n.named_at, r.named_at) as named_at, r.quality_flags, r.is_deleted
    from record r join received d using (row_id)
    left join agency_term t on t.organisation_id = d.organisation_id and r.on_day >= t.from_on and r.on_day < t.until_on
    left join known_procedure p on p.service_code = r.procedure_code
    left join known_agency c on c.organisation_id = r.competent_code
    left join agency_meaning m on (m.source, m.name, m.on_day) = (r.source, r.competent_name, r.on_day) and c.organisation_id is null
    left join naming n on (n.source, n.source_key) = (r.source, r.source_key)
        and coalesce(n.agency_code, '~' || n.agency_name) = coalesce(r.agency_code, '~' || r.agency_name)
)
select row_id, receiving_organisation_id, admin_unit_code, admin_unit_code_now, service_code, competent_organisation_id, named_at,
    array(
        select f from unnest(quality_flags) as f where f not in ('DOS_ORG_KNOWN', 'DOS_PROC_KNOWN') and (f <> 'UNIT_NOT_VALID_AT_DATE' or is_unit_outdated is null)
        union all select 'DOS_ORG_KNOWN' where receiving_organisation_id = 'UNKNOWN'
        union all select 'DOS_PROC_KNOWN' where service_code = 'UNKNOWN'
        union all select 'UNIT_NOT_VALID_AT_DATE' where is_unit_outdated
        order by 1
    ) as quality_flags
from resolved
