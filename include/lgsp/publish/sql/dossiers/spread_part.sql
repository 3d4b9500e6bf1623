-- One round of spreading labels among the records of a code: each gets the smallest label of those with which it shares a second
-- code or a receipt.
create or replace table spread_part as
with shared as (
    select h.code, h.node, h.label, {'code': c.code, 'receipt': null} as second
    from hub_part h join node_code c on c.node = h.node and c.code <> h.code
    union all
    select h.code, h.node, h.label, {'code': null, 'receipt': n.receipt_key} from hub_part h join node n using (node) where n.receipt_key is not null
),
smallest as (select code, second, min(label) as label from shared group by code, second)
select h.code, h.node, least(h.label, min(s.label)) as label
from hub_part h left join shared using (code, node) left join smallest s on s.code = h.code and s.second = shared.second
group by h.code, h.node, h.label
