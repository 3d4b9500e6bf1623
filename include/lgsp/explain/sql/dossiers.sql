-- The movements of each single dossier (or offering) of the requested agencies. Needs the temporary table agency.
create temporary table unit_flow on commit drop as
with version as (
    select 1 as sign, ${unit} as organisation_id, ${columns} from shared.dossier where ${scope}
)
${movements}
