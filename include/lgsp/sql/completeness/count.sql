-- Takes up what changed; `touched_day` is then whose count differs on which day. Needs temporary tables received_change and held.
create temporary table touched_day on commit drop as
with changed as (
    select source, organisation_id, day_on, sum(record_count)::bigint as records, sum(online_count)::bigint as online
    from received_change group by 1, 2, 3
    having sum(record_count) <> 0 or sum(online_count) <> 0
), kept as (
    select source, organisation_id, occurred_on as day_on, count(*) as held
    from held where organisation_id is not null and occurred_on is not null group by 1, 2, 3
), differing as (
    select source, organisation_id, day_on, coalesce(k.held, 0) - coalesce(r.held_count, 0) as held
    from kept k full join (select * from ledger.received_day where held_count > 0) r using (source, organisation_id, day_on)
    where k.held is distinct from r.held_count
)
select source, organisation_id, day_on, coalesce(c.records, 0) as records, coalesce(c.online, 0) as online, coalesce(d.held, 0) as held
from changed c full join differing d using (source, organisation_id, day_on);

insert into ledger.received_day as r (source, organisation_id, day_on, record_count, online_count, held_count)
select source, organisation_id, day_on, records, online, held from touched_day
on conflict (source, organisation_id, day_on) do update set
    record_count = r.record_count + excluded.record_count, online_count = r.online_count + excluded.online_count,
    held_count = r.held_count + excluded.held_count;

delete from ledger.received_day r using touched_day t
where (r.source, r.organisation_id, r.day_on) = (t.source, t.organisation_id, t.day_on)
    and r.record_count = 0 and r.online_count = 0 and r.held_count = 0;
