-- Applies the collected changes to the stored counts and makes `touched_day`: the days of agencies whose counts changed.
-- Needs the temporary tables received_change and quarantined_record.
insert into ledger.online_procedure as p (source, service_code, record_count)
select source, service_code, sum(online_count) from received_change where online_count <> 0 group by 1, 2
on conflict (source, service_code) do update set record_count = p.record_count + excluded.record_count;

delete from ledger.online_procedure where record_count = 0 and not is_shared;

-- Procedures that both dossier feeds contain since this publication, or no longer contain: all their dossiers are counted differently.
create temporary table changed_procedure on commit drop as
with shared as (
    select service_code, count(*) filter (where record_count > 0) = 2 as is_shared, bool_or(is_shared) as was_shared
    from ledger.online_procedure group by 1
)
select service_code, is_shared from shared where is_shared <> was_shared;

create temporary table touched_day on commit drop as
with counted as (
    select c.source, c.organisation_id, c.day_on, c.record_count as records, case when p.is_shared then c.online_count else 0 end as online
    from received_change c left join ledger.online_procedure p using (source, service_code)
    union all
    select d.source, d.receiving_organisation_id, (d.received_at at time zone 'Asia/Ho_Chi_Minh')::date, 0, case when t.is_shared then 1 else -1 end
    from changed_procedure t join record.dossier d using (service_code)
    where d.channel = 'online' and d.received_at is not null and not d.is_deleted and d.receiving_organisation_id is not null
), changed as (
    select source, organisation_id, day_on, sum(records)::bigint as records, sum(online)::bigint as online
    from counted group by 1, 2, 3
    having sum(records) <> 0 or sum(online) <> 0
), in_quarantine as (
    select source, organisation_id, occurred_on as day_on, count(*) as quarantined
    from quarantined_record where organisation_id is not null and occurred_on is not null group by 1, 2, 3
), differing as (
    select source, organisation_id, day_on, coalesce(q.quarantined, 0) - coalesce(r.held_count, 0) as quarantined
    from in_quarantine q full join (select * from ledger.received_day where held_count > 0) r using (source, organisation_id, day_on)
    where q.quarantined is distinct from r.held_count
)
select source, organisation_id, day_on, coalesce(c.records, 0) as records, coalesce(c.online, 0) as online, coalesce(d.quarantined, 0) as quarantined
from changed c full join differing d using (source, organisation_id, day_on);

insert into ledger.received_day as r (source, organisation_id, day_on, record_count, online_count, held_count)
select source, organisation_id, day_on, records, online, quarantined from touched_day
on conflict (source, organisation_id, day_on) do update set
    record_count = r.record_count + excluded.record_count, online_count = r.online_count + excluded.online_count,
    held_count = r.held_count + excluded.held_count;

delete from ledger.received_day r using touched_day t
where (r.source, r.organisation_id, r.day_on) = (t.source, t.organisation_id, t.day_on)
    and r.record_count = 0 and r.online_count = 0 and r.held_count = 0;

update ledger.online_procedure p set is_shared = t.is_shared from changed_procedure t where t.service_code = p.service_code;

delete from ledger.online_procedure where record_count = 0;
