-- Each unit with the agency it counts for and the level of the agency. Needs the temporary tables unit_flow, quarantined_unit and agency.
create temporary table unit on commit drop as
select unit_id, kind, u.organisation_id, coalesce(level, 'UNKNOWN') as level
from (${units} union all select unit_id, 'record', organisation_id from quarantined_unit) u
left join (select organisation_id, min(level) as level from shared.organisation group by 1) a using (organisation_id)
