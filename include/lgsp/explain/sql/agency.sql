-- Each unit with the agency it counts for, and that agency's level. Needs the temporary tables told, held_unit and agency.
create temporary table unit on commit drop as
select unit_id, kind, u.organisation_id, coalesce(level, 'UNKNOWN') as level
from (${units} union all select unit_id, 'record', organisation_id from held_unit) u
left join (select organisation_id, min(level) as level from shared.organisation group by 1) a using (organisation_id)
