-- The names that decide about an incoming record, because it has no code of a known agency; with the day of the record.
with record as (
    select source, source_key, competent_code, competent_name,
        (coalesce(received_at, submitted_at, source_updated_at) at time zone 'Asia/Ho_Chi_Minh')::date as on_day
    from incoming_dossier
)
select r.source, n.agency_name as name, r.on_day from record r join naming n using (source, source_key)
where n.agency_name is not null and not exists (select from known_agency k where k.organisation_id = n.agency_code)
union
select r.source, r.competent_name, r.on_day from record r
where r.competent_name is not null and not exists (select from known_agency k where k.organisation_id = r.competent_code)
