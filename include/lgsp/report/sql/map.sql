-- The institution map: the class of each territory, with its present or former district.
with unit as (
    select distinct on (admin_unit_code) admin_unit_code, name, level, parent_code
    from history.admin_unit_as_of(${snapshot}) where valid_from < ${end} order by admin_unit_code, valid_from desc
), district as (
    select distinct on (admin_unit_code) admin_unit_code, name
    from history.admin_unit_as_of(${snapshot}) where level = 'district' order by admin_unit_code, valid_from desc
), tile as (
    select m.admin_unit_code, m.organisation_id, unit.name, coalesce(unit.level, 'province') as level, m.metric, m.numerator, m.denominator,
        m.value, m.class, m.colour, m.definition_version, m.as_of,
        case when unit.level = 'district' then m.admin_unit_code when unit.level = 'commune' then coalesce(d.admin_unit_code, was.parent_code) end as district_code
    from history.institution_map_as_of(${snapshot}) m
    left join unit using (admin_unit_code)
    left join district d on d.admin_unit_code = unit.parent_code
    left join lateral (  -- without districts: the former district from which most of the land came
        select old.parent_code
        from history.admin_unit_crosswalk_as_of(${snapshot}) x
        join history.admin_unit_as_of(${snapshot}) old on old.admin_unit_code = x.from_code and old.valid_from < x.effective_on and old.level = 'commune'
        join district on district.admin_unit_code = old.parent_code
        where x.to_code = m.admin_unit_code and x.is_default and d.admin_unit_code is null
        order by x.from_code = x.to_code desc, x.weight desc nulls last, x.from_code, old.valid_from desc limit 1
    ) was on true
    where m.period = ${period} and m.period_start = ${start} and m.metric = ${metric}
)
select tile.*, district.name as district
from tile left join district on district.admin_unit_code = tile.district_code
order by array_position(array['province', 'district', 'commune'], tile.level) = 1 desc, tile.district_code nulls last,
    tile.level = 'district' desc, tile.name, tile.admin_unit_code
