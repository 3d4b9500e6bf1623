-- Makes `new_completeness`: the state of each day of the agencies in `scope` (received, zero, missing or late).
-- A silence starts after a day on which records were received. The feed is broken when the silence is too long for the agency's own past, or when
-- the other dossier feed has online dossiers of the agency that this feed should have too.
-- The planner estimates one row for small temporary tables and would choose nested loops over whole tables.
set local enable_nestloop = off;

create temporary table sign on commit drop as
select s.source, s.organisation_id, s.since_on, a.first_on as span_on, a.until_on, d.day_on, d.is_counted, d.is_covered, d.nth,
    r.records, r.online, r.other_online
from (
    select source, organisation_id, day_on, record_count + held_count as records, online_count as online, 0 as other_online from ledger.received_day
    where day_on >= (select min(past_on) from scope)
    union all
    select other.source, organisation_id, day_on, 0, 0, online_count
    from ledger.received_day r join witness other on other.witness = r.source
    where online_count > 0 and day_on >= (select min(past_on) from scope)
) r
join scope s on s.source = r.source and s.organisation_id = r.organisation_id and r.day_on >= s.past_on
join feed_day d on d.source = r.source and d.day_on = r.day_on
join span a on a.source = r.source and a.organisation_id = r.organisation_id and r.day_on >= a.first_on and r.day_on < a.until_on;

analyze sign;

create temporary table silence on commit drop as
with past as (
    select *, sum(records) filter (where is_counted) over recent as past_records,
        sum(online) filter (where is_counted) over recent as past_online, sum(other_online) filter (where is_counted) over recent as past_other
    from sign
    window recent as (partition by source, organisation_id, span_on order by nth range between 59 preceding and current row)
), last_received as (
    select *, lead(day_on) over (partition by source, organisation_id, span_on order by day_on) as next_on from past where records > 0
)
select b.source, b.organisation_id, b.span_on, b.day_on as last_received_on, least(coalesce(b.next_on, f.newest_on + 1), b.until_on) - 1 as until_on,
    b.nth, b.past_records::double precision as past_records, least(b.past_online, b.past_other)::double precision / (b.past_other + 1) as in_both,
    least(60, b.nth - first_day.nth + first_day.is_counted::int) as past_days
from last_received b join feed f using (source)
join feed_day first_day on first_day.source = b.source and first_day.day_on = greatest(b.span_on, lower(f.covered))
where b.day_on + 1 >= b.since_on;

create temporary table broken on commit drop as
with in_other_feed as (
    select source, organisation_id, span_on, last_received_on, sum(other_online) as other_count from (
        select *, max(day_on) filter (where records > 0) over (partition by source, organisation_id, span_on order by day_on) as last_received_on from sign
    ) dated
    where day_on > last_received_on and is_covered and other_online > 0 group by 1, 2, 3, 4 having sum(other_online) >= 5
), suspect as (
    select s.* from silence s join feed_day e on e.source = s.source and e.day_on = s.until_on
    left join in_other_feed h on (h.source, h.organisation_id, h.span_on, h.last_received_on) = (s.source, s.organisation_id, s.span_on, s.last_received_on)
    where e.nth > s.nth and ((e.nth - s.nth) * s.past_records >= 12 * s.past_days or h.other_count is not null)
), silent_days as (
    select s.source, s.organisation_id, s.last_received_on, count(*) filter (where d.is_counted) as worked,
        min(d.day_on) filter (where d.is_counted) as first_on, max(d.day_on) filter (where d.is_counted) as last_on,
        coalesce(sum(o.other_online) filter (where d.is_covered), 0) as other_count
    from suspect s join agency a using (source, organisation_id)
    join feed_day d on d.source = s.source and d.day_on > s.last_received_on and d.day_on <= s.until_on and not a.confirmed @> d.day_on
    left join sign o on o.source = s.source and o.organisation_id = s.organisation_id and o.day_on = d.day_on and o.other_online > 0
    group by 1, 2, 3
), evaluated as (
    select *, worked * past_records / past_days as expected,
        -- With 12 the probability that all records fell before the silence by chance is below 1 in 100,000; it is still small when counts
        -- vary twice as much. After a long past this is the expected number of records in the silence; after a short past the mean is less
        -- certain, so a longer silence is needed.
        past_days >= 10 and past_records * ln(1 + worked / past_days::double precision) >= 12 as is_unlikely,
        -- none of them is in this feed, although in the past each was, with probability `in_both`
        other_count >= 5 and -ln(1 - in_both) * other_count >= 12 as is_in_other_feed
    from suspect join silent_days using (source, organisation_id, last_received_on) where worked > 0 and past_days > 0 and past_records > 0
), usual as (
    -- A counter that opens once a week is silent between its days. Only a silence longer than three times the longest earlier one counts.
    select source, organisation_id, last_received_on, max(days) as longest from (
        select j.source, j.organisation_id, j.last_received_on,
            p.nth - p.is_counted::int - lag(p.nth, 1, j.nth - j.past_days) over (partition by j.source, j.organisation_id, j.last_received_on order by p.day_on) as days
        from evaluated j join sign p on p.source = j.source and p.organisation_id = j.organisation_id and p.span_on = j.span_on and p.records > 0
            and p.day_on <= j.last_received_on and p.nth > j.nth - j.past_days
        where j.is_unlikely
    ) gap group by 1, 2, 3
)
select source, organisation_id, first_on, last_on, expected,
    case when is_in_other_feed then format('none here, but the other dossier feed has %s that were submitted online', other_count)
        else format('silent on %s working days that usually bring %s records', worked, round(expected::numeric)) end as reason
from evaluated left join usual using (source, organisation_id, last_received_on)
where is_in_other_feed or (is_unlikely and worked > 3 * greatest(longest, 0));

create temporary table new_completeness on commit drop as
select s.source, s.organisation_id, d.day_on, coalesce(r.records, 0) as record_count, derived.state, derived.reason,
    case when derived.state = 'missing' and d.is_covered then b.expected end as expected
from scope s join span a using (source, organisation_id)
join feed_day d on d.source = s.source and d.day_on >= s.since_on and d.day_on >= a.first_on and d.day_on < a.until_on
left join (
    select source, organisation_id, day_on, record_count + held_count as records from ledger.received_day
    where record_count + held_count > 0 and day_on >= (select min(since_on) from scope)
) r on r.source = s.source and r.organisation_id = s.organisation_id and r.day_on = d.day_on
left join broken b on b.source = s.source and b.organisation_id = s.organisation_id and d.day_on between b.first_on and b.last_on,
lateral (
    select case when r.records is not null then 'received' when a.confirmed <> '{}' and a.confirmed @> d.day_on then 'zero'
            when not d.is_covered and not d.is_passed and d.waited <= 2 then 'late'
            when not d.is_covered or b.source is not null then 'missing' else 'zero' end as state,
        case when r.records is not null or (a.confirmed <> '{}' and a.confirmed @> d.day_on) then null
            when not d.is_covered and d.is_passed then 'a hole: later days were read, this one was not'
            when not d.is_covered and d.waited <= 2 then 'not read yet; another source already covers this day'
            when not d.is_covered then 'not read, although another source covers more than two later working days' else b.reason end as reason
) derived;

set local enable_nestloop = on;
