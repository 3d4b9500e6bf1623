-- All existing records, with the label of their link group and the rule that links them.
create table member as
select n.* exclude (node) replace (
        case when own_key in (select code from hub) or other_key in (select code from hub) then list_append(coalesce(quality_flags, []), 'DOS_HUB_CODE') else quality_flags end as quality_flags
    ),
    coalesce(r.to_label, l.label) as label,
    case when r.to_label is not null or a.from_label is not null then 'receipt' else 'code' end as match_rule
from node n join node_label l using (node)
left join receipt_link r on r.from_label = l.label left join receipt_link a on a.to_label = l.label
