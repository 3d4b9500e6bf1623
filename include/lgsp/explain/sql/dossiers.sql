-- The moves of each dossier (or offering) by itself, of the agencies that are asked about. Needs the temporary table agency.
create temporary table told on commit drop as
with version as (
    select 1 as sign, ${unit} as organisation_id, ${columns} from shared.dossier where ${scope}
)
${moves}
