-- The source records of each dossier, with the rule that links them.
create table dossier_source as
    select m.source, m.source_key, pair.dossier_id, m.source_code,
        case when m.own_key = code_key(pair.dossier_id) then 'main' when m.match_rule = 'receipt' then 'receipt' else 'other' end as code_role,
        case when count(*) over (partition by label) = 1 then 'single' else m.match_rule end as match_rule,
        d.opened_on, m.source_updated_at, m.batch_id
    from member m join pair using (label) join dossier d on d.dossier_id = pair.dossier_id
