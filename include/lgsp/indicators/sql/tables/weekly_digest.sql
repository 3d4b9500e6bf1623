-- What a leader should read each week: the headlines, then who received nothing online, who nothing at all, of whom too little is known, who is late,
-- and what moved most; each beside the week before. The ranks of headlines are fixed, those of the others go by measure, then by agency.
-- Needs shared.service_kpi, zero_activity and form_06a of the publication and the temporary tables period and affected.
with week as (
    select p.period_start, p.period_end - 1 as last_on, p.as_of, b.period_start as before_on,
        case when p.is_covered then 'ok' else 'no_data' end as state, case when b.is_covered then 'ok' when not b.is_covered then 'no_data' end as state_before
    from period p left join period b on b.period = 'week' and b.period_start = p.period_start - 7
    where p.period = 'week' and p.period_start in (select period_start + later from affected, (values (0), (7)) as d(later) where period = 'week')
), reached as (
    select period_start as week_on from week union select before_on from week where before_on is not null
), ratio as (
    select period_start as week_on, kpi_id, organisation_id, level, numerator, denominator, value, definition_version, excluded_count, quarantined_count
    from shared.service_kpi
    where period = 'week' and period_start = any(array(select week_on from reached)) and (organisation_id <> 'ALL' or level = 'ALL')
        and kpi_id in ('on_time', 'online_share', 'overdue_open', 'service_active')
), followed as (
    select *, lag(week_on) over past as week_before, lag(numerator) over past as numerator_before, lag(denominator) over past as denominator_before,
        lag(value) over past as value_told, lag(definition_version) over past as version_before
    from ratio window past as (partition by kpi_id, organisation_id order by week_on)
), compared as (
    select period_start, kpi_id, organisation_id, numerator, denominator, value, excluded_count, quarantined_count,
        case when week_before = before_on then value_told end as value_before,
        -- what is counted otherwise, or is too little, did not move
        case when week_before = before_on and version_before = definition_version and least(denominator, denominator_before) >= 20
            then abs(numerator::numeric / denominator - numerator_before::numeric / denominator_before) end as moved
    from week join followed on week_on = period_start
), received as (
    select r.week_on, coalesce(sum(f.received_online + f.received_counter_postal), 0)::bigint as count
    from reached r left join shared.form_06a f on f.period = 'week' and f.period_start = r.week_on group by 1
), activity as (
    select l.section, z.period_start as week_on, z.organisation_id, z.dossier_count as count, z.state, z.state = l.kept as is_listed
    from shared.zero_activity z
    -- looked up one by one: of what this publication wrote nothing is known that would make a join quick
    cross join lateral (select level from shared.organisation o where o.organisation_id = z.organisation_id and o.valid_from <= z.period_start + 6 order by o.valid_from desc limit 1) a
    cross join lateral (values
        ('silent', 'zero', z.channel = 'any' and a.level = 'commune'),
        ('no_online', 'zero', z.channel = 'online' and a.level in ('province', 'district')),
        ('no_data', 'no_data', z.channel = 'any')
    ) as l(section, kept, is_asked)
    where z.period = 'week' and z.period_start = any(array(select week_on from reached)) and l.is_asked
), remembered as (
    select *, lag(week_on) over past as week_before, lag(count) over past as count_told, lag(state) over past as state_told
    from activity window past as (partition by section, organisation_id order by week_on)
), tally as (
    select week_on, s.section, s.place, s.kept, count(a.section) as among, count(*) filter (where a.is_listed) as count
    from reached cross join (values ('silent', 6, 'zero'), ('no_online', 7, 'zero'), ('no_data', 8, 'no_data')) as s(section, place, kept)
    left join activity a using (week_on, section) group by 1, 2, 3, 4
), fact as (
    select w.period_start, 'headline' as section, 'received' as about, -1 as measure, 'ALL' as organisation_id, 'form_06a' as kpi_id, n.count as numerator, 1 as denominator,
        n.count::double precision as value, b.count::double precision as value_before, w.state, w.state_before, null::bigint as among,
        null::bigint as excluded_count, null::bigint as quarantined_count
    from week w join received n on n.week_on = w.period_start left join received b on b.week_on = w.before_on
    union all
    select period_start, 'headline', 'ratio', -1 - array_position(array['online_share', 'on_time', 'overdue_open', 'service_active'], kpi_id), organisation_id, kpi_id,
        numerator, denominator, value, value_before, null, null, null, excluded_count, quarantined_count
    from compared where organisation_id = 'ALL'
    union all
    select w.period_start, 'headline', 'headline ' || n.section, -n.place, 'ALL', 'zero_activity', n.count, 1, n.count, b.count, n.kept, null, n.among, null, null
    from week w join tally n on n.week_on = w.period_start left join tally b on b.week_on = w.before_on and b.section = n.section
    union all
    select period_start, section, section, coalesce(case when week_before = before_on then count_told end, 0), organisation_id, 'zero_activity', count, 1, count,
        case when week_before = before_on then count_told end, n.state, case when week_before = before_on then state_told end, null, null, null
    from week join remembered n on week_on = period_start where is_listed
    union all
    select period_start, 'late', 'late', numerator, organisation_id, kpi_id, numerator, denominator, value, value_before, null, null, null, excluded_count, quarantined_count
    from compared where kpi_id = 'overdue_open' and organisation_id <> 'ALL' and numerator > 0
    union all
    select period_start, 'moved', 'moved', moved, organisation_id, kpi_id, numerator, denominator, value, value_before, null, null, null, excluded_count, quarantined_count
    from compared where kpi_id in ('on_time', 'online_share') and organisation_id <> 'ALL' and moved > 0
), ranked as (
    select *, case section when 'headline' then -measure
        else row_number() over (partition by period_start, section order by measure desc, value desc, organisation_id collate "C", kpi_id) end as rank
    from fact
), sentence(about, vi, en) as (values
    ('received', 'Toàn tỉnh tiếp nhận {n} hồ sơ{before}.', 'Dossiers received in the province: {n}{before}.'),
    ('received of a part', 'Toàn tỉnh tiếp nhận {n} hồ sơ, số liệu chưa đủ cả tuần{before}.', 'Dossiers received in the province, not all data being there: {n}{before}.'),
    ('ratio', '{indicator}: {v} ({n}/{d}){before}.', '{indicator}: {v} ({n} of {d}){before}.'),
    ('ratio of nothing', '{indicator}: tuần này không có gì để tính{before}.', '{indicator}: nothing to count this week{before}.'),
    ('headline silent', '{n}/{m} đơn vị cấp xã không có hồ sơ nào{before}.', 'Communes that received nothing: {n} of {m}{before}.'),
    ('headline no_online', '{n}/{m} cơ quan cấp tỉnh, cấp huyện không có hồ sơ trực tuyến{before}.', 'Agencies of province and districts that received nothing online: {n} of {m}{before}.'),
    ('headline no_data', '{n}/{m} đơn vị chưa đủ dữ liệu để kết luận{before}.', 'Agencies of which too little is known to say: {n} of {m}{before}.'),
    ('silent', '{name}: không có hồ sơ nào{before}.', '{name}: no dossiers{before}.'),
    ('no_online', '{name}: không có hồ sơ trực tuyến{before}.', '{name}: no online dossiers{before}.'),
    ('no_data', '{name}: chưa đủ dữ liệu để kết luận{before}.', '{name}: too little is known to say{before}.'),
    ('late', '{name}: {n} hồ sơ quá hạn trong {d} hồ sơ đang giải quyết ({v}){before}.', '{name}: {n} of {d} open dossiers overdue ({v}){before}.'),
    ('rise', '{indicator} tăng {points} điểm phần trăm tại {name}: từ {p} lên {v}.', '{indicator}: up {points} percentage points at {name}, from {p} to {v}.'),
    ('fall', '{indicator} giảm {points} điểm phần trăm tại {name}: từ {p} xuống {v}.', '{indicator}: down {points} percentage points at {name}, from {p} to {v}.')
), clause(before, before_vi, before_en) as (values
    ('nothing', '', ''),
    ('same', ', tuần trước cũng vậy', ', as the week before'),
    ('unknown', ', tuần trước chưa đủ dữ liệu', ', too little known the week before'),
    ('dossiers', ', tuần trước {b} hồ sơ', ', {b} the week before'),
    ('number', ', tuần trước {b}', ', {b} the week before'),
    ('share', ', tuần trước {p}', ', {p} the week before')
), spelt as (
    -- rounded here and nowhere else, halves up
    select r.*, to_char(numerator, 'FM999,999,999,990') as n, to_char(denominator, 'FM999,999,999,990') as d, coalesce(to_char(among, 'FM999,999,999,990'), '') as m,
        coalesce(to_char(value_before, 'FM999,999,999,990'), '') as b, coalesce(to_char(round(100 * value::numeric, 2), 'FM9999999990.00') || ' %', '') as v,
        coalesce(to_char(round(100 * value_before::numeric, 2), 'FM9999999990.00') || ' %', '') as p, to_char(round(100 * measure, 2), 'FM990.00') as points,
        case
            when about = 'received' and state = 'no_data' then 'received of a part'
            when about = 'ratio' and value is null then 'ratio of nothing'
            when about = 'moved' then case when value > value_before then 'rise' else 'fall' end
            else about
        end as sentence,
        case
            when value_before is null then 'nothing'
            when about in ('ratio', 'late') then 'share'
            when section = 'headline' then 'number'
            when state_before = state then 'same'
            when state_before = 'no_data' then 'unknown'
            else 'dossiers'
        end as before
    from ranked r where section = 'headline' or rank <= case section when 'late' then 20 when 'moved' then 10 else rank end
)
select f.period_start, f.section, f.rank::integer as rank, f.organisation_id, coalesce(a.level, 'ALL') as level, f.kpi_id,
    f.numerator, f.denominator, f.value, f.value_before, f.state, f.state_before, t.text_vi, t.text_en,
    coalesce(f.excluded_count, 0) as excluded_count, coalesce(f.quarantined_count, h.quarantined_count, 0) as quarantined_count,
    k.definition_version, w.as_of, null::text as batch_id
from spelt f join week w using (period_start) join sentence s on s.about = f.sentence join clause c using (before)
join shared.indicator_definition k on k.kpi_id = f.kpi_id and k.valid_from <= w.last_on and (k.valid_to is null or k.valid_to > w.last_on)
left join lateral (  -- called as it was on the week's last day, or when it ended
    select level, name from shared.organisation o where o.organisation_id = f.organisation_id and o.valid_from <= w.last_on order by o.valid_from desc limit 1
) a on true
left join lateral (
    select quarantined_count from shared.service_kpi q
    where (q.kpi_id, q.organisation_id, q.level, q.period, q.period_start) = ('on_time', f.organisation_id, coalesce(a.level, 'ALL'), 'week', f.period_start) limit 1
) h on true
cross join lateral (
    select max(told) filter (where language = 'vi') as text_vi, max(told) filter (where language = 'en') as text_en
    from (values ('vi', replace(s.vi, '{before}', before_vi), k.name_vi, '.,'), ('en', replace(s.en, '{before}', before_en), k.name_en, ',.')) as l(language, template, indicator, signs)
    cross join lateral (select
        replace(replace(replace(replace(replace(replace(replace(template, '{n}', translate(n, ',.', signs)), '{d}', translate(d, ',.', signs)), '{m}', translate(m, ',.', signs)),
            '{b}', translate(b, ',.', signs)), '{v}', translate(v, ',.', signs)), '{p}', translate(p, ',.', signs)), '{points}', translate(points, ',.', signs)) as counted
    ) q cross join lateral (select replace(replace(counted, '{indicator}', indicator), '{name}', coalesce(a.name, f.organisation_id)) as told) p
) t
