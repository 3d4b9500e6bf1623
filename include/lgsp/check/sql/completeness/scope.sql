-- Makes `witness`: for each dossier source the source of the other role, which can confirm that records are missing.
create temporary table witness on commit drop as
select s.source, w.source as witness from ledger.source s join ledger.source w on w.role <> s.role
where s.role in ('one_stop', 'portal') and w.role in ('one_stop', 'portal');

-- Makes `scope`: the agencies whose states must be derived again, and from which day on.
-- Needs the temporary tables feed and touched_day.
-- An agency that handed over receives no dossiers after its last offering ended, also while it is still listed.
create temporary table agency on commit drop as
select o.source, o.organisation_id,
    range_agg(daterange(v.valid_from, case when v.succeeded_on is not null and offered.until_on is not null
        then least(v.valid_to, greatest(v.valid_from, offered.until_on, v.succeeded_on)) else v.valid_to end)) as in_force,
    coalesce((select range_agg(daterange(s.first_on, s.last_on, '[]')) from ledger.confirmed_silence s
        where s.source = o.source and s.organisation_id = o.organisation_id), '{}') as confirmed
from (select distinct source, organisation_id from record.organisation) o join feed using (source)
join record.organisation_version v using (organisation_id)
join ledger.source s using (source)
left join (select organisation_id, max(coalesce(valid_to, 'infinity')) as until_on from shared.service_offering group by 1) offered
    on offered.organisation_id = o.organisation_id and s.role in ('one_stop', 'portal')
group by o.source, o.organisation_id;

-- The days of each feed: `nth` is the number of covered working days up to this day, `waited` the number of working days after it.
create temporary table feed_day on commit drop as
select *, min(day_on) over (partition by source order by nth range between 61 preceding and current row) as past_on
from (
    select source, day_on, is_covered, is_working, is_covered and is_working as is_counted, day_on < upper(covered) as is_passed,
        count(*) filter (where is_covered and is_working) over (partition by source order by day_on) as nth,
        count(*) filter (where is_working) over (partition by source order by day_on desc) - is_working::int as waited
    from (
        select f.source, f.covered, d::date as day_on, f.covered @> d::date as is_covered,
            coalesce(w.is_working_day, extract(isodow from d) < 6) as is_working
        from feed f cross join generate_series(lower(f.covered), f.newest_on, interval '1 day') as d
        left join record.working_day w on w.day_on = d::date
    ) day
) counted;

create temporary table scope on commit drop as
with feed_since as (
    -- the newly covered days, and the uncovered days before them: a late day may be missing now
    select f.source, least(lower((f.covered - d.covered) + (d.covered - f.covered)), upper(d.covered), upper(f.covered)) as since_on
    from feed f left join ledger.derived_feed d using (source)
    where (f.covered, f.newest_on) is distinct from (d.covered, d.newest_on)
), known as (
    select source, organisation_id, a.in_force, d.organisation_id is null or a.organisation_id is null
            or (a.in_force, a.confirmed) is distinct from (d.in_force, d.confirmed) as is_changed  -- noqa: PRS
    from agency a full join ledger.derived_agency d using (source, organisation_id)
), touched as (
    select source, organisation_id, min(day_on) as since_on from (
        select source, organisation_id, day_on from touched_day
        union all
        select other.source, organisation_id, day_on
        from touched_day t join witness other on other.witness = t.source
    ) t group by 1, 2
), changed as (
    select k.source, k.organisation_id, k.in_force,
        case when k.is_changed then date '-infinity' else least(f.since_on, t.since_on) end as since_on
    from known k left join feed_since f using (source) left join touched t using (source, organisation_id)
    where k.is_changed or f.source is not null or t.source is not null
), whole as (
    -- A silence is evaluated as a whole, so from its first day. An agency that never sent a record has none.
    -- Days after an agency was abolished do not matter.
    select b.source, b.organisation_id, coalesce(last.day_on + 1, b.since_on) as start_on
    from changed b left join lateral (
        select r.day_on from ledger.received_day r
        where r.source = b.source and r.organisation_id = b.organisation_id and r.day_on < b.since_on and b.in_force @> r.day_on
        order by r.day_on desc limit 1
    ) last on true
    where coalesce(upper(b.in_force) > b.since_on, true)
)
select w.source, w.organisation_id, w.start_on as since_on, case when w.start_on <= f.newest_on then coalesce(d.past_on, lower(f.covered)) end as past_on
from whole w left join feed f using (source) left join feed_day d on d.source = w.source and d.day_on = w.start_on;

analyze scope;

analyze feed_day;

create temporary table span on commit drop as
select source, organisation_id, confirmed, lower(validity) as first_on, coalesce(upper(validity), 'infinity') as until_on
from agency, unnest(in_force) as validity;

analyze span;
