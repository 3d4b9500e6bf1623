-- The entries of the weekly digest, each compared with the week before: key figures, agencies without online dossiers, communes without
-- dossiers, agencies without enough data, agencies with overdue dossiers, and the largest changes. Key figures have fixed ranks; the other
-- sections are ranked by measure, then by agency.
-- Needs shared.service_kpi, zero_activity and form_06a of this publication, and the temporary tables period and affected.
with week as (
    select p.period_start, p.period_end - 1 as last_on, b.period_start as before_on,
        case when p.is_covered then 'ok' else 'no_data' end as state, case when b.is_covered then 'ok' when not b.is_covered then 'no_data' end as state_before
    from period p left join period b on b.period = 'week' and b.period_start = p.period_start - 7
    where p.period = 'week' and p.period_start in (select period_start + later from affected, (values (0), (7)) as d(later) where period = 'week')
), digest_week as (
    select period_start as week_on from week union select before_on from week where before_on is not null
), listed_section as (
    -- nobody is silent in a week without a working day, such as that of Tết
    select week_on, s.section, s.place, s.listed_state
    from digest_week cross join (values ('silent', 6, 'zero'), ('no_online', 7, 'zero'), ('no_data', 8, 'no_data')) as s(section, place, listed_state)
    where s.section <> 'silent' or exists (select from shared.working_day w where w.is_working_day and w.day_on >= week_on and w.day_on < week_on + 7)
), ratio as (
    select period_start as week_on, kpi_id, organisation_id, level, numerator, denominator, value, definition_version, excluded_count, quarantined_count
    from shared.service_kpi
    where period = 'week' and period_start = any(array(select week_on from digest_week)) and (organisation_id <> 'ALL' or level = 'ALL')
        and kpi_id in ('on_time', 'online_share', 'overdue_open', 'service_active')
), with_previous as (
    select *, lag(week_on) over past as week_before, lag(numerator) over past as numerator_before, lag(denominator) over past as denominator_before,
        lag(value) over past as previous_value, lag(definition_version) over past as version_before
    from ratio window past as (partition by kpi_id, organisation_id order by week_on)
), compared as (
    select period_start, kpi_id, organisation_id, numerator, denominator, value, excluded_count, quarantined_count,
        case when week_before = before_on then previous_value end as value_before,
        -- no change is computed between two definitions or from fewer than 20 dossiers
        case when week_before = before_on and version_before = definition_version and least(denominator, denominator_before) >= 20
            then abs(numerator::numeric / denominator - numerator_before::numeric / denominator_before) end as moved
    from week join with_previous on week_on = period_start
), received as (
    select r.week_on, coalesce(f.received_online + f.received_counter_postal, 0)::bigint as count
    from digest_week r left join shared.form_06a f on f.period = 'week' and f.period_start = r.week_on and f.organisation_id = 'ALL' and f.field_code = 'ALL'
), activity as (
    select l.section, z.period_start as week_on, z.organisation_id, z.dossier_count as count, z.state, z.state = l.listed_state as is_listed
    from shared.zero_activity z
    -- looked up row by row: the rows of this publication have no statistics that would make a join fast
    cross join lateral (select level from shared.organisation o where o.organisation_id = z.organisation_id and o.valid_from <= z.period_start + 6 order by o.valid_from desc limit 1) a
    join listed_section l on l.week_on = z.period_start and case l.section
        when 'silent' then z.channel = 'any' and a.level = 'commune'
        when 'no_online' then z.channel = 'online' and a.level in ('province', 'district')
        else z.channel = 'any' end
    where z.period = 'week' and z.period_start = any(array(select week_on from digest_week))
), activity_with_previous as (
    select *, lag(week_on) over past as week_before, lag(count) over past as previous_count, lag(state) over past as previous_state
    from activity window past as (partition by section, organisation_id order by week_on)
), section_count as (
    select week_on, s.section, s.place, s.listed_state, count(a.section) as among, count(*) filter (where a.is_listed) as count
    from listed_section s left join activity a using (week_on, section) group by 1, 2, 3, 4
), entry as (
    select w.period_start, 'headline' as section, 'received' as text_kind, -1 as measure, 'ALL' as organisation_id, 'form_06a' as kpi_id, n.count as numerator, 1 as denominator,
        n.count::double precision as value, b.count::double precision as value_before, w.state, w.state_before, null::bigint as among,
        null::bigint as excluded_count, null::bigint as quarantined_count
    from week w join received n on n.week_on = w.period_start left join received b on b.week_on = w.before_on
    union all
    select period_start, 'headline', 'ratio', -1 - array_position(array['online_share', 'on_time', 'overdue_open', 'service_active'], kpi_id), organisation_id, kpi_id,
        numerator, denominator, value, value_before, null, null, null, excluded_count, quarantined_count
    from compared where organisation_id = 'ALL'
    union all
    select w.period_start, 'headline', 'headline ' || n.section, -n.place, 'ALL', 'zero_activity', n.count, 1, n.count, b.count, n.listed_state, null, n.among, null, null
    from week w join section_count n on n.week_on = w.period_start left join section_count b on b.week_on = w.before_on and b.section = n.section
    union all
    select period_start, section, section, coalesce(case when week_before = before_on then previous_count end, 0), organisation_id, 'zero_activity', count, 1, count,
        case when week_before = before_on then previous_count end, n.state, case when week_before = before_on then previous_state end, null, null, null
    from week join activity_with_previous n on week_on = period_start where is_listed
    union all
    select period_start, 'late', 'late', numerator, organisation_id, kpi_id, numerator, denominator, value, value_before, null, null, null, excluded_count, quarantined_count
    from compared where kpi_id = 'overdue_open' and organisation_id <> 'ALL' and numerator > 0
    union all
    select period_start, 'moved', 'moved', moved, organisation_id, kpi_id, numerator, denominator, value, value_before, null, null, null, excluded_count, quarantined_count
    from compared where kpi_id in ('on_time', 'online_share') and organisation_id <> 'ALL' and moved > 0
), ranked as (
    select *, case section when 'headline' then -measure
        else row_number() over (partition by period_start, section order by measure desc, value desc, organisation_id collate "C", kpi_id) end as rank
    from entry
), sentence(text_kind, vi, en) as (values
    ('received', 'Toàn tỉnh tiếp nhận {n} hồ sơ{before}.', 'Dossiers received in the province: {n} this week{before}.'),
    ('received, incomplete', 'Toàn tỉnh tiếp nhận {n} hồ sơ, số liệu chưa đủ cả tuần{before}.', 'Dossiers received in the province, from incomplete data: {n} this week{before}.'),
    ('ratio', '{indicator}: {v} ({n}/{d}){before}.', '{indicator}: {v} ({n} of {d}) this week{before}.'),
    ('ratio without denominator', '{indicator}: không tính được vì mẫu số tuần này bằng 0{before}.', '{indicator}: not computed because the denominator is 0 this week{before}.'),
    ('headline silent', 'Xã, phường không phát sinh hồ sơ: {n}/{m}{before}.', 'Communes without dossiers: {n} of {m} this week{before}.'),
    -- levels above the commune: districts ended on 1 July 2025
    ('headline no_online', 'Cơ quan trên cấp xã không phát sinh hồ sơ trực tuyến: {n}/{m}{before}.', 'Agencies above commune level without online dossiers: {n} of {m} this week{before}.'),
    ('headline no_data', 'Đơn vị chưa đủ dữ liệu: {n}/{m}{before}.', 'Agencies without enough data: {n} of {m} this week{before}.'),
    ('silent', '{name}: không phát sinh hồ sơ{before}.', '{name}: no dossiers this week{before}.'),
    ('no_online', '{name}: không phát sinh hồ sơ trực tuyến{before}.', '{name}: no online dossiers this week{before}.'),
    ('no_data', '{name}: chưa đủ dữ liệu{before}.', '{name}: not enough data this week{before}.'),
    ('late', '{name}: {n} hồ sơ quá hạn trong {d} hồ sơ đang giải quyết ({v}){before}.', '{name}: {n} of {d} open dossiers are overdue ({v}) this week{before}.'),
    ('rise', '{indicator} tăng {points} điểm phần trăm tại {name}: từ {p} lên {v}.', '{indicator}: up {points} percentage points at {name}, from {p} to {v}.'),
    ('fall', '{indicator} giảm {points} điểm phần trăm tại {name}: từ {p} xuống {v}.', '{indicator}: down {points} percentage points at {name}, from {p} to {v}.')
), comparison(before, before_vi, before_en) as (values
    ('none', '', ''),
    ('same', '; tuần trước cũng vậy', '; the same last week'),
    ('unknown', '; tuần trước chưa đủ dữ liệu', '; not enough data last week'),
    ('dossiers', '; tuần trước {b} hồ sơ', '; {b} last week'),
    ('number', '; tuần trước {b}', '; {b} last week'),
    ('share', '; tuần trước {p}', '; {p} last week')
), formatted as (
    -- numbers are rounded only here, half up
    select r.*, to_char(numerator, 'FM999,999,999,990') as n, to_char(denominator, 'FM999,999,999,990') as d, coalesce(to_char(among, 'FM999,999,999,990'), '') as m,
        coalesce(to_char(value_before, 'FM999,999,999,990'), '') as b, coalesce(to_char(round(100 * value::numeric, 2), 'FM9999999990.00') || '%', '') as v,
        coalesce(to_char(round(100 * value_before::numeric, 2), 'FM9999999990.00') || '%', '') as p, to_char(round(100 * measure, 2), 'FM990.00') as points,
        case
            when text_kind = 'received' and state = 'no_data' then 'received, incomplete'
            when text_kind = 'ratio' and value is null then 'ratio without denominator'
            when text_kind = 'moved' then case when value > value_before then 'rise' else 'fall' end
            else text_kind
        end as sentence,
        case
            when value_before is null then 'none'
            when text_kind in ('ratio', 'late') then 'share'
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
    k.definition_version, null::text as batch_id
from formatted f join week w using (period_start) join sentence s on s.text_kind = f.sentence join comparison c using (before)
join shared.indicator_definition k on k.kpi_id = f.kpi_id and k.valid_from <= w.last_on and (k.valid_to is null or k.valid_to > w.last_on)
left join lateral (  -- its name and level on the last day of the week, or on its own last day
    select level, name from shared.organisation o where o.organisation_id = f.organisation_id and o.valid_from <= w.last_on order by o.valid_from desc limit 1
) a on true
left join lateral (
    select quarantined_count from shared.service_kpi q
    where (q.kpi_id, q.organisation_id, q.level, q.period, q.period_start) = ('on_time', f.organisation_id, coalesce(a.level, 'ALL'), 'week', f.period_start) limit 1
) h on true
cross join lateral (
    select max(rendered) filter (where language = 'vi') as text_vi, max(rendered) filter (where language = 'en') as text_en
    from (values ('vi', replace(s.vi, '{before}', before_vi), k.name_vi, '.,'), ('en', replace(s.en, '{before}', before_en), k.name_en, ',.')) as l(language, template, indicator, signs)
    cross join lateral (select
        replace(replace(replace(replace(replace(replace(replace(template, '{n}', translate(n, ',.', signs)), '{d}', translate(d, ',.', signs)), '{m}', translate(m, ',.', signs)),
            '{b}', translate(b, ',.', signs)), '{v}', translate(v, ',.', signs)), '{p}', translate(p, ',.', signs)), '{points}', translate(points, ',.', signs)) as counted
    ) q cross join lateral (select replace(replace(counted, '{indicator}', indicator), '{name}', coalesce(a.name, f.organisation_id)) as rendered) p
) t
