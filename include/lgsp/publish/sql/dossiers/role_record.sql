-- One record for each role in each link group. Each attribute comes from the source with the highest precedence that has a value.
create table role_record as
select label, role, arg_min(source, precedence) as source, arg_min(source_key, precedence) as source_key,
    max(source_updated_at) as source_updated_at, arg_max(batch_id, {'t': source_updated_at, 'p': -precedence}) as batch_id,
    arg_min(source_code, precedence) as source_code, arg_min(events, precedence) as events,
    arg_min(supplements, precedence) as supplements, arg_min(closed_at_basis, precedence) as closed_at_basis,
    list_distinct(flatten(list(coalesce(quality_flags, [])))) as quality_flags,
    ${columns}
from latest group by label, role
